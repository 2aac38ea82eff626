"""Photos -> feature vectors, kept in the store."""
