"""How Hydra starts the runs of a sweep."""
