"""Would more photos help, and of which class?"""
