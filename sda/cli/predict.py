"""predict MODEL TABLE [to=FILE] [missing=[WORD,...]]: the class of each row, or its numbers.

MODEL is a run's folder or a model file. TABLE has the columns that it was trained on, by name, in
any order. It writes the predicted class and the probability of each class, as .csv to standard
output, or to a .csv, .tsv or .parquet file.
"""

from sda.cli import apply

main = apply.method("predict")
