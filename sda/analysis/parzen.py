"""How likely rows are under the density of samples: Gaussian kernels around each (Parzen).

The measure of Breuleux, Bengio & Vincent (2011), which papers on generative models of MNIST
report. In hundreds of dimensions it says more of how near samples come to the data than of a
model's own likelihood (Theis, van den Oord & Bethge, 2016): it compares samplers of one kind.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
BLOCK = 500  # rows at once


def log_likelihoods(x: Array, samples: Array, widths: Array) -> NDArray[np.float64]:
    """log p, in nats, of rows x (n, d) for each width σ of the kernels: (k, n).

    p(x) is the mean over samples (m, d) of N(x; sample, σ² I).
    """
    m, d = samples.shape
    constant = math.log(m) + d * (np.log(widths) + 0.5 * math.log(2 * math.pi))
    found = []
    for first in range(0, len(x), BLOCK):
        block = x[first : first + BLOCK]
        squares = (block**2).sum(1)[:, None] - 2 * (block @ samples.T) + (samples**2).sum(1)
        nearest = squares.min(1)
        beyond = squares - nearest[:, None]
        sums = [np.log(np.exp(beyond / (-2 * w**2)).sum(1)) for w in widths]
        found.append(np.stack(sums) - nearest / (2 * widths[:, None] ** 2))
    return np.asarray(np.concatenate(found, 1) - constant[:, None], np.float64)


def fit(valid: Array, samples: Array, widths: Array) -> float:
    """The width with the highest mean log-likelihood of rows ``valid``."""
    return float(widths[log_likelihoods(valid, samples, widths).mean(1).argmax()])
