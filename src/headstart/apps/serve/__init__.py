"""`headstart serve`: a classifier that answers over HTTP. `batching` and `guard` also carry `headstart studio`."""
