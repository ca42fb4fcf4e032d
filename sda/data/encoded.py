"""The rows of each part as a network reads them: in memory, or mapped files of a large table."""

import hashlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sda.data.cache import cache_folder, cached, identity
from sda.data.encoding import Encoding
from sda.data.formats.parquet import Columns
from sda.data.splits import Rows, Splits

Parts = Mapping[str, NDArray[np.bool_]]  # which rows (n,) are in each


def parts(frame: pd.DataFrame | Columns, where: Parts, encoding: Encoding) -> dict[str, Any]:
    """Encode the rows of each part: (n, width) float32.

    Those of a large table are read by blocks and kept in the cache, as mapped files: they need
    memory for a block, whatever their number.
    """
    if isinstance(frame, pd.DataFrame):
        return {part: encoding.rows(frame, rows) for part, rows in where.items()}
    cut = hashlib.sha256(b"".join(rows.tobytes() for rows in where.values())).hexdigest()
    key = {"file": identity([frame.path]), "encoding": encoding.plain(), "cut": cut}
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        kept = cached("table", key, lambda: _written(folder, frame, where, encoding))
    return {part: rows.x for part, rows in kept.parts().items()}


def _written(folder: str, frame: Columns, where: Parts, encoding: Encoding) -> Splits:
    """The rows of each part in files of a folder."""
    made = {
        part: np.lib.format.open_memmap(
            f"{folder}/{part}.npy", "w+", np.float32, (int(rows.sum()), encoding.width)
        )
        for part, rows in where.items()
    }
    done, start = dict.fromkeys(where, 0), 0
    for block in frame.blocks():
        x = encoding.rows(block)
        for part, rows in where.items():
            own = x[rows[start : start + len(x)]]
            made[part][done[part] : done[part] + len(own)] = own
            done[part] += len(own)
        start += len(x)
    train, valid, test = (Rows(x, np.full(len(x), -1)) for x in made.values())
    return Splits("table", train, valid, test, n_classes=0, source="user")
