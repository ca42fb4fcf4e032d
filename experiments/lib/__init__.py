"""What the scripts of the experiments share."""
