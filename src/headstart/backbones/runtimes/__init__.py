"""Engines that run a graph on this machine."""
