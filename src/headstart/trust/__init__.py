"""How far a classifier can be trusted: what is unlike its photos."""
