"""Heat maps: which places of a photo speak for a class, without gradients."""
