"""Used by every other package: checks, seeds, files, signals, the terminal."""
