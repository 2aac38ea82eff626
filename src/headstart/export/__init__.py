"""A trained classifier as a file for other runtimes, proven on photos: translated once, then one writer a format."""
