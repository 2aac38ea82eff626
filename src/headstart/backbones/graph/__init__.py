"""From a model file to a graph cut at its feature vector: read, analysed, cut."""
