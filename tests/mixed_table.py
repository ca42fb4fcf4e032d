"""A table of every kind of column, some of which say the class, for tests."""

import numpy as np
import pandas as pd

SPECIES = ("setosa", "versicolor", "virginica")


def mixed_table(n=120, seed=0, holes=False):
    """Rows of three species: a number, a word and a date depend on it, the others do not."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            "length": (4 + y + rng.normal(0, 0.3, n)).round(2),
            "weight": rng.normal(300, 40, n).round(1),
            "smooth": np.where(rng.random(n) < 0.2 + 0.3 * y, "yes", "no"),
            "town": np.array(["Rome", "Oslo", "Bonn"])[(y + (rng.random(n) < 0.2)) % 3],
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(100 * y + rng.integers(0, 60, n), "D"),
            "species": np.array(SPECIES)[y],
        }
    )
    if holes:
        for name in frame.columns[:-1]:
            frame.loc[rng.random(n) < 0.2, name] = None
    return frame
