"""Data sets: each is one function that returns Splits. Nothing here knows of torch."""
