"""New photos that a classifier has predicted: a log of them, whether they differ from its own, which to label next."""
