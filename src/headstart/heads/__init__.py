"""Heads: classifiers that are trained on features. They see vectors and class numbers, never pictures, names or paths.

To use a head, only `heads.head` is imported; `heads.fitting` and the modules it needs are imported to train one.
"""
