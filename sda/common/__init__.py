"""What every other package stands on: checks, seeds, files, signals, the terminal."""
