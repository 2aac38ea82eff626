"""Folders, CSVs and files of photos -> sets of photos -> pixels."""
