"""Input ranges: which numbers a model expects for black and white, and where that knowledge comes from."""
