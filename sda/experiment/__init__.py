"""One run, or several trained together, from data to result."""
