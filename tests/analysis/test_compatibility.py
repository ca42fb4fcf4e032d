"""Compatibility of two conditionals: 0 for those of a joint, by hand for others."""

import itertools

import numpy as np
import pytest
import torch

from sda import Boltzmann, stream
from sda.analysis.compatibility import compatibility, stationary_law


def test_the_conditionals_of_one_joint_are_compatible_with_its_marginal():
    joint = np.random.default_rng(0).random((6, 4))
    joint /= joint.sum()
    law, share = joint.sum(1), joint.sum(0)
    found = compatibility(joint / law[:, None], (joint / share).T, law)
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.distance == pytest.approx(0, abs=1e-12)
    assert found.excess == pytest.approx(0, abs=1e-12)


def test_two_conditionals_of_no_joint_differ_by_hand():
    encoder = np.array([[1.0, 0.0], [0.0, 1.0]])  # h is x
    decoder = np.array([[0.9, 0.1], [0.5, 0.5]])  # x forgets: π = (5/6, 1/6)
    found = compatibility(encoder, decoder, np.array([0.5, 0.5]))
    np.testing.assert_allclose(stationary_law(encoder @ decoder), [5 / 6, 1 / 6])
    assert found.distance == pytest.approx(1 / 3)
    assert found.gap == pytest.approx(5 / 6 * np.log(1 / 0.9) + 1 / 6 * np.log(1 / 0.5))
    assert found.excess == pytest.approx(0.5 * np.log(1 / 0.9) + 0.5 * np.log(1 / 0.5))


def test_a_boltzmann_machine_is_compatible_with_itself():
    machine = Boltzmann(3).build(4, stream(0)).double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream(1)))
        x, h = (
            torch.tensor(list(itertools.product((0.0, 1.0), repeat=n))).double() for n in (4, 3)
        )
        p, z = machine.encode(x)[:, None], torch.sigmoid(machine.decode(h))[:, None]
        encoder = torch.where(h > 0, p, 1 - p).prod(2).numpy()
        decoder = torch.where(x > 0, z, 1 - z).prod(2).numpy()
        law = torch.softmax(-machine.free_energy(x), 0).numpy()
    found = compatibility(encoder, decoder, law)
    assert found.gap == pytest.approx(0, abs=1e-10)
    assert found.distance == pytest.approx(0, abs=1e-10)
