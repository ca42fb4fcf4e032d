"""reconstruct MODEL TABLE [layer=K] [to=FILE]: the rows without noise, in their own units.

Through so many layers and back; without layer=, through those that denoise validation rows best.
A category is the most probable one. denoise is the same. MODEL, TABLE and to= are as for predict.
"""

from sda.cli import apply

main = apply.method("reconstruct", layer=int)
