"""impute MODEL TABLE [draws=M] [seed=S] [to=FILE]: fill the missing cells, and change no other.

A number gets its mean, a category the most probable one. draws=M draws them at random M times,
one table below the other, with a first column "draw": for multiple imputation.
MODEL, TABLE and to= are as for predict.
"""

from typing import Any

import pandas as pd
import torch

from sda.cli import apply
from sda.common import checks
from sda.common.seeding import stream
from sda.runs.model import Model


def main(words: list[str]) -> int:
    """Fill the missing cells of a table."""
    generators: dict[int, torch.Generator] = {}

    def filled(model: Model, rows: pd.DataFrame, said: dict[str, Any]) -> pd.DataFrame:
        if not checks.whole("draws", said["draws"]):
            return model.impute(rows)
        made = {}
        for draw in range(1, said["draws"] + 1):
            own = generators.setdefault(draw, stream(said["seed"], "impute", draw))
            made[draw] = model.impute(rows, own)
        return pd.concat(made, names=["draw"]).reset_index("draw")

    return apply.run("impute", words, filled, draws=0, seed=0)
