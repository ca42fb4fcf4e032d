"""Comparisons to rounding, for runs that train together and alone."""

import torch


def near(first, second):
    """Whether weights, or rows of a record, are the same but for the rounding of float32."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(near(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(near(a, b) for a, b in pairs)
    if isinstance(first, torch.Tensor):
        return torch.allclose(first, second, rtol=1e-4, atol=1e-5)
    if isinstance(first, float):
        return abs(first - second) <= 1e-5 + 1e-4 * abs(second)
    return first == second
