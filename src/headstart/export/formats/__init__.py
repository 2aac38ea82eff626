"""One small writer a format: a module with the name of the format and a function `write(subject, target)`."""
