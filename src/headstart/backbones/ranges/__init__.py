"""Input ranges: which numbers a model expects for black and white, and how this is known."""
