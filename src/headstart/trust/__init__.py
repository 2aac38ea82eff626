"""Whether the photos and the answers can be trusted: near duplicates, unknown photos, what a model looks at."""
