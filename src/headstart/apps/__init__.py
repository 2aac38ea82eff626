"""Programs that people start."""
