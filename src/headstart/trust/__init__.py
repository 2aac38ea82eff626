"""Whether the photos and the answers can be trusted: copies, wrong labels, unknown photos, what a model looks at."""
