"""Helper: rows, stacks and networks of a few units, and whether weights are the same."""

import torch

from sda import Classifier, Layer, Masking, StackedDenoisingAutoencoder, stream


def rows(n=30, d=9, purpose="x"):
    return torch.rand(n, d, generator=stream(0, purpose))


def labelled(n, purpose):
    """Rows (n, 9) of three classes, by their first columns."""
    x = rows(n, purpose=purpose)
    return x, (x[:, 0] + x[:, 1] > 1).long() + (x[:, 2] > 0.7).long()


def stack(seed=0, fraction=0.3, hidden=(7, 5, 4), d=9, **choices):
    plans = [Layer(n, Masking(fraction), **choices) for n in hidden]
    return StackedDenoisingAutoencoder.plan(d, plans, seed)


def network(seed=0, fraction=0.3, hidden=(12, 7), classes=3, **choices):
    return Classifier(stack(seed, fraction, hidden, **choices), classes, seed=seed)


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def equal(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
