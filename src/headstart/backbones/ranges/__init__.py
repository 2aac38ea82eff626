"""Input ranges: which numbers a backbone expects for black and white."""
