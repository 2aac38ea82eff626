"""Untrusted input made safe: text to print, values to read, work that may crash."""
