"""Stacked denoising autoencoders."""
