"""How files are kept on this disk and brought to it: whole or not at all."""
