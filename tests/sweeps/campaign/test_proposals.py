"""Optuna proposes settings from what those tried before have come to."""

import math

import pytest

from sda.sweeps.campaign import search

PLAIN = {
    "corruption": {"fraction": 0.25},
    "pretrain": {"learning_rate": 0.1},
    "stack": {"hidden": [9]},
}
DESCRIBED = {
    "corruption.fraction": {"from": 0.05, "to": 0.5},
    "pretrain.learning_rate": {"from": 0.01, "to": 1, "log": True},
    "stack.hidden": {"among": [[9], [12, 12]]},
}
SPACE = search.space(DESCRIBED, PLAIN)


def plain(fraction, rate, hidden):
    """Flat settings."""
    return dict(zip(DESCRIBED, (fraction, rate, hidden), strict=True))


def read(words):
    values = dict(word.split("=") for word in words)
    assert list(values) == list(DESCRIBED)
    hidden = {"[9]": [9], "[12,12]": [12, 12]}[values["stack.hidden"]]
    return plain(
        float(values["corruption.fraction"]), float(values["pretrain.learning_rate"]), hidden
    )


def error(config):
    """Least at a fraction of 0.2, a rate of 0.1 and two layers."""
    fraction, rate = config["corruption.fraction"], config["pretrain.learning_rate"]
    wrong = 0.3 * (config["stack.hidden"] == [9])
    return abs(fraction - 0.2) + abs(math.log10(rate) + 1) / 4 + wrong


def searched(count, judge):
    tried = []
    for _ in range(count):
        config = read(search.propose(SPACE, tried))
        tried.append((config, judge(config)))
    return tried


def test_proposals_are_in_the_space_with_two_digits_and_never_twice_the_same():
    configs = [config for config, _ in searched(30, error)]
    assert all(configs.count(config) == 1 for config in configs)
    for config in configs:
        fraction, rate = config["corruption.fraction"], config["pretrain.learning_rate"]
        assert 0.05 <= fraction <= 0.5
        assert 0.01 <= rate <= 1
        assert float(f"{fraction:.2g}") == fraction
        assert float(f"{rate:.2g}") == rate


def test_the_same_outcomes_lead_to_the_same_proposal_and_others_to_another():
    tried = searched(8, error)
    assert search.propose(SPACE, tried) == search.propose(SPACE, tried)
    turned = [(config, -value) for config, value in tried]
    assert search.propose(SPACE, tried) != search.propose(SPACE, turned)


def test_proposals_get_better_as_more_is_known():
    errors = [value for _, value in searched(40, error)]
    assert sum(errors[-10:]) < 0.5 * sum(errors[:10])


def test_what_lies_outside_the_space_teaches_nothing():
    tried = searched(8, error)
    for outside in (plain(0.7, 0.1, [9]), plain(0.2, 2.0, [9]), plain(0.2, 0.1, [100])):
        good, bad = ([(outside, value), *tried] for value in (-9.0, 9.0))
        assert search.propose(SPACE, good) == search.propose(SPACE, bad)


def test_a_space_of_which_all_is_tried_has_no_proposals():
    space = search.space({"stack.hidden": {"among": [[9], [12, 12]]}}, PLAIN)
    tried = [(plain(0.1, 0.1, [9]), 0.1)]
    assert search.propose(space, tried) == ["stack.hidden=[12,12]"]
    assert search.propose(space, [*tried, (plain(0.1, 0.1, [12, 12]), 0.2)]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": 1},
        {"from": 0, "to": 1, "log": True},
        {"among": []},
        {"low": 0, "high": 1},
        {"from": 0, "to": 1, "among": [1]},
        {"among": "abc"},
        {"among": 5},
        0.3,
    ],
)
def test_a_space_that_is_none_is_refused_in_one_line(wrong):
    with pytest.raises(ValueError, match=r"^search.space corruption.fraction must be .* got .*$"):
        search.space({"corruption.fraction": wrong}, PLAIN)


def test_limits_in_the_wrong_order_and_unknown_settings_are_refused():
    with pytest.raises(ValueError, match=r"to must be a number of at least 0\.5, got 0\.1"):
        search.space({"corruption.fraction": {"from": 0.5, "to": 0.1}}, PLAIN)
    with pytest.raises(
        ValueError, match=r"search.space has corruption.faction, which is no setting"
    ):
        search.space({"corruption.faction": {"from": 0.1, "to": 0.5}}, PLAIN)
    with pytest.raises(ValueError, match=r"search.space has corruption, which is a group"):
        search.space({"corruption": {"from": 0.1, "to": 0.5}}, PLAIN)
    with pytest.raises(ValueError, match=r"log must be true or false, got 'false'"):
        search.space({"corruption.fraction": {"from": 0.1, "to": 1, "log": "false"}}, PLAIN)
