"""What runs a graph on this machine."""
