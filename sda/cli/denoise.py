"""denoise MODEL TABLE [layer=K] [to=FILE]: the rows without noise, as reconstruct."""

from sda.cli.reconstruct import main as main
