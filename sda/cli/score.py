"""score MODEL TABLE [quantile=0.95] [to=FILE]: how unusual each row is, and by which column.

The score is -log p of cells that are hidden in turn, given the others, in nats; after it comes the
part of each column. is_unusual: the score is above that of a share quantile of the validation rows.
MODEL, TABLE and to= are as for predict.
"""

from sda.cli import apply

main = apply.method("score", quantile=0.95)
