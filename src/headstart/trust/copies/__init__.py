"""Photos that show the same picture: copies that were altered a little, and bursts."""
