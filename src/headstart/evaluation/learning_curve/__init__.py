"""Learning curves: whether more photos would help, and of which class."""
