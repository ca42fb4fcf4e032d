"""encode MODEL TABLE [layer=K] [to=FILE] [missing=[WORD,...]]: the codes of a layer, a row each.

Layer 1 is the first, the last is the default. MODEL, TABLE and to= are as for predict.
"""

from sda.cli import apply

main = apply.method("encode", layer=int)
