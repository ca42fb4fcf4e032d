"""What a network is: corruption, layers, losses, their equations and updates."""
