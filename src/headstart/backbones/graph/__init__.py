"""From a model file to a graph that ends at its feature vector: read, analysed, cut."""
