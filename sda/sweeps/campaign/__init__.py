"""A table of a paper, cell by cell."""
