"""What finished runs say: comparisons, intervals, curves, pictures."""
