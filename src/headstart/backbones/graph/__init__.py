"""The graph of a backbone: read from its file, understood, and cut at the feature vector."""
