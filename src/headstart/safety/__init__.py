"""Everything that comes from strangers is made safe here: text to print, values to read, work that may crash."""
