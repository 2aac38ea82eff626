"""Classifiers: trained, measured, compared, saved and loaded."""
