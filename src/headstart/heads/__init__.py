"""Heads: what is trained on features. They see vectors and class numbers, never pictures, names or paths.

Using a head needs `heads.head` alone; `heads.fitting` and what is behind it are imported to train one.
"""
