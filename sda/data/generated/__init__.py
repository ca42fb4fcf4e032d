"""Data sets that are made by rule."""
