"""How good is a classifier, how sure are we, and is a difference more than chance?"""
