"""reconstruct MODEL TABLE [layer=K] [to=FILE]: the rows without noise, in their own units.

layer=K goes through K layers and back; the default is the depth that denoises validation rows best.
A category is the most probable one. denoise does the same. MODEL, TABLE and to= are as for predict.
"""

from sda.cli import apply

main = apply.method("reconstruct", layer=int)
