"""score MODEL TABLE [quantile=0.95] [to=FILE]: how unusual each row is, and by which column.

The score is -log p of cells that are hidden in turn, given the others, in nats; after it comes the
part of each column.
is_unusual says that it is above that share of the validation rows that the model was judged on.
MODEL, TABLE and to= are as for predict.
"""

from sda.cli import apply

main = apply.method("score", quantile=0.95)
