"""Results for people to read: text, HTML, TensorBoard."""
