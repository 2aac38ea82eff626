"""From photos to feature vectors, which are kept in the store."""
