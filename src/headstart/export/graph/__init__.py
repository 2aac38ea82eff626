"""From a classifier to plain steps: the engine's graph with the head, translated, in the layout that a format needs."""
