"""How a network learns: pretraining, fine-tuning, and what both need."""
