"""Proof: every file is read back by its own runtime, in a process of its own, and has to give headstart's answers."""
