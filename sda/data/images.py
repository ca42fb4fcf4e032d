"""Arrays of pictures as rows: channel after channel, line by line."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataFormatError

CHANNELS = (1, 3, 4)  # by which a last axis of channels is known: they belong before the height


def as_rows(where: str, x: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Pictures (n, h, w) or (n, c, h, w) as rows (n, d) in the same memory, and the shape of one.

    Other arrays are returned as they are, with None.

    Raises:
        DataFormatError: channels are the last axis.
    """
    if x.ndim not in (3, 4) or 0 in x.shape:
        return x, None
    if x.ndim == 4 and x.shape[3] in CHANNELS and x.shape[1] not in CHANNELS:
        said = "x".join(map(str, x.shape))
        raise DataFormatError(
            f"{where}: pictures must be (rows, channels, height, width), got {said}: save "
            "np.moveaxis(x, 3, 1).copy()"
        )
    return np.reshape(x, (len(x), -1)), tuple(x.shape[1:])
