"""Each format's own runtime, in a process of its own: what a file answers, without headstart's code around it.

A module here has the name of its format and a class `Judge`, see `judges.base`.
"""
