"""Graphs compiled and run by OpenVINO."""
