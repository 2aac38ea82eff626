"""The studio: a page in the browser in which anyone makes a classifier from a folder of class folders."""
