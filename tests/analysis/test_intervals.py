"""Intervals and tests against the published tables, tables of quantiles and scipy.stats."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sda.analysis import intervals

# error and half-width in %, test rows; Vincent et al. (2008) Table 1, (2010) Table 3.
PUBLISHED = [
    (3.03, 0.15, 50_000),
    (3.69, 0.17, 50_000),
    (3.46, 0.16, 50_000),
    (2.80, 0.14, 50_000),
    (10.29, 0.27, 50_000),
    (10.38, 0.27, 50_000),
    (6.73, 0.22, 50_000),
    (16.68, 0.33, 50_000),
    (44.49, 0.44, 50_000),
    (47.39, 0.44, 50_000),
    (1.99, 0.12, 50_000),
    (2.41, 0.13, 50_000),
    (21.59, 0.36, 50_000),
    (24.05, 0.37, 50_000),
    (19.06, 0.34, 50_000),
    (43.76, 0.43, 50_000),
    (2.84, 0.15, 50_000),
    (1.40, 0.23, 10_000),
    (1.28, 0.22, 10_000),
    (1.21, 0.21, 10_000),
]


@pytest.mark.parametrize(("error", "half", "n"), PUBLISHED)
def test_the_binomial_interval_is_the_one_the_papers_print(error, half, n):
    # The printed error is rounded itself, hence the interval of half-widths.
    low, high = (100 * intervals.binomial((error + d) / 100, n) for d in (-0.005, 0.005))
    assert low - 0.005 <= half <= high + 0.005


@pytest.mark.parametrize(("wrong", "n"), [(0, 10), (1, 360), (7, 200), (200, 200), (1560, 50_000)])
def test_wilsons_interval_is_that_of_scipy(wrong, n):
    expected = stats.binomtest(wrong, n).proportion_ci(method="wilson")
    assert intervals.wilson(wrong / n, n) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_no_error_at_all_is_not_shown_as_certainty():
    low, high, method = intervals.of_error(0.0, 360)
    assert (low, method) == (0.0, "wilson")
    assert 0.008 < high < 0.012  # the rule of three says 3/360


def test_the_papers_interval_is_used_from_five_wrong_rows_on():
    assert intervals.of_error(4 / 1000, 1000).method == "wilson"
    assert intervals.of_error(5 / 1000, 1000).method == "normal"
    assert intervals.of_error(996 / 1000, 1000).method == "wilson"


@pytest.mark.parametrize(("error", "n"), [(-0.1, 10), (1.1, 10), (math.nan, 10), (0.5, 0)])
@pytest.mark.parametrize("interval", [intervals.binomial, intervals.wilson, intervals.of_error])
def test_an_impossible_error_rate_is_refused(interval, error, n):
    with pytest.raises(ValueError, match=r"error must be in \[0, 1\]"):
        interval(error, n)


def test_the_paired_interval_is_students():
    # t(0.975, 4) = 2.776 from a printed table; the differences are 1..5: mean 3, sd sqrt(2.5)
    difference = intervals.paired([11, 12, 13, 14, 15], [10, 10, 10, 10, 10])
    assert difference.n == 5
    assert difference.mean == pytest.approx(3)
    assert difference.half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_the_paired_interval_excludes_0_exactly_when_the_paired_t_test_is_below_five_percent(pairs):
    first, second = map(list, zip(*pairs, strict=True))
    differences = np.subtract(first, second)
    if np.std(differences) < 1e-6:
        return  # scipy divides by it
    p = float(stats.ttest_rel(first, second).pvalue)
    assert intervals.paired(first, second).excludes_zero == (p < 0.05)


def test_pairing_beats_the_spread_of_seeds():
    difference = intervals.paired([0.030, 0.061, 0.089, 0.120], [0.02, 0.05, 0.08, 0.11])
    assert difference.excludes_zero
    assert difference.half_width < 0.002


def test_one_pair_has_no_interval():
    difference = intervals.paired([0.9], [0.1])
    assert math.isinf(difference.half_width)
    assert not difference.excludes_zero


def test_arms_that_never_differ_do_not_exclude_0():
    assert not intervals.paired([0.1, 0.2], [0.1, 0.2]).excludes_zero


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_values_are_refused(first, second):
    with pytest.raises(ValueError, match="one length"):
        intervals.paired(first, second)


def test_the_spread_is_the_sample_standard_deviation():
    assert intervals.spread([1, 2, 3, 4]) == pytest.approx((2.5, 1.2909944))
    assert math.isnan(intervals.spread([1])[1])


def predictions(only_first, only_second, both_right=3, both_wrong=2):
    """Labels 0 and predictions of two classifiers with so many rows of each kind."""
    first = [0] * only_first + [1] * only_second + [0] * both_right + [1] * both_wrong
    second = [1] * only_first + [0] * only_second + [0] * both_right + [1] * both_wrong
    return np.zeros(len(first), int), np.array(first), np.array(second)


@pytest.mark.parametrize(("b", "c"), [(0, 1), (3, 3), (1, 8), (12, 5), (900, 700), (5, 0)])
def test_mcnemar_is_the_exact_binomial_test_on_the_rows_where_they_differ(b, c):
    expected = stats.binomtest(b, b + c).pvalue
    assert intervals.mcnemar(*predictions(b, c)) == pytest.approx(expected)


def test_mcnemar_by_hand():
    # one against seven: 2 * (1 + 8) / 2**8
    assert intervals.mcnemar(*predictions(1, 7)) == pytest.approx(18 / 256)


def test_mcnemar_ignores_rows_that_both_get_right_or_wrong():
    few, many = predictions(2, 9), predictions(2, 9, both_right=500, both_wrong=400)
    assert intervals.mcnemar(*few) == intervals.mcnemar(*many)


def test_two_different_wrong_answers_are_no_disagreement():
    assert intervals.mcnemar(np.zeros(4, int), np.full(4, 1), np.full(4, 2)) == 1


def test_mcnemar_refuses_predictions_for_other_rows():
    with pytest.raises(ValueError, match="one shape"):
        intervals.mcnemar(np.zeros(4, int), np.zeros(4, int), np.zeros(1, int))


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.93), (5, 0.93), (10, 0.93)])
def test_the_crossed_interval_covers_where_rows_differ_as_much_as_seeds(seeds, least):
    """Seeds and rows are drawn, and what both leave; t over seeds alone covers half as often."""
    rng = np.random.default_rng(seeds)
    rows, times, covered, alone = 200, 400, 0, 0
    for _ in range(times):
        by_seed, by_row = 0.02 * rng.normal(size=(seeds, 1)), 0.5 * rng.normal(size=(1, rows))
        values = by_seed + by_row + 0.5 * rng.normal(size=(seeds, rows))
        covered += abs(intervals.crossed(values).mean) <= intervals.crossed(values).half_width
        alone += not intervals.of_mean(values.mean(axis=1)).excludes_zero
    assert covered / times >= least
    assert alone / times < 0.85


def test_the_crossed_interval_is_that_of_the_stated_variance():
    values = np.random.default_rng(0).normal(size=(4, 30)) + np.arange(4)[:, None]
    seeds, rows = values.mean(axis=1), values.mean(axis=0)
    left = values - seeds[:, None] - rows + values.mean()
    rest = (left**2).sum() / (3 * 29)
    parts = seeds.var(ddof=1) / 4, rows.var(ddof=1) / 30, rest / 120
    variance = parts[0] + parts[1] - min(parts)
    freedom = variance**2 / sum(p**2 / n for p, n in zip(parts, (3, 29, 87), strict=True))
    found = intervals.crossed(values)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    assert found.p == pytest.approx(2 * stats.t.sf(found.mean / math.sqrt(variance), freedom))


def test_where_no_row_differs_the_crossed_interval_is_the_rule_of_three():
    none = intervals.crossed(np.zeros((3, 500)))
    assert (none.mean, none.half_width, none.p) == (0.0, 3 / 500, 1.0)
    assert none.is_within(0.007)
    assert not none.is_within(0.005)


def test_a_crossed_interval_needs_two_seeds_and_two_rows():
    for shape in ((1, 30), (3, 1)):
        with pytest.raises(ValueError, match="needs two of each, got"):
            intervals.crossed(np.ones(shape))


def test_the_interval_over_cuts_is_that_of_nadeau_and_bengio_by_hand():
    # Differences 0.1, 0.2, 0.3, 0.2 of four cuts; 10 rows test, 40 are learned from.
    wrong = [1, 2, 3, 2]
    values = [np.array([[1.0] * k + [0.0] * (10 - k)]) for k in wrong]
    found = intervals.resampled(values, 40)
    variance = np.var([0.1, 0.2, 0.3, 0.2], ddof=1)  # 0.02 / 3
    assert variance == pytest.approx(0.02 / 3)
    of_rows = np.var([1] * 8 + [0] * 32, ddof=1) / 40
    assert found.error**2 == pytest.approx(max((1 / 4 + 10 / 40) * 0.02 / 3, of_rows))
    assert found.freedom == 3
    apart = intervals.resampled([8 * one for one in values], 10)  # fewer learned from: less sure
    assert apart.error == pytest.approx(8 * math.sqrt((1 / 4 + 1) * 0.02 / 3))


def test_cuts_that_agree_by_chance_are_no_surer_than_their_rows():
    values = [np.eye(1, 6), np.eye(1, 6), np.eye(1, 6)]  # one of six in every cut, as in case C1
    found = intervals.resampled(values, 12)
    assert found.error**2 == pytest.approx(np.var([1, 0, 0, 0, 0, 0] * 3, ddof=1) / 18)
    assert found.p > 0.05
    with pytest.raises(ValueError, match="needs two of them, got 1"):
        intervals.resampled(values[:1], 12)


@pytest.mark.parametrize("folds", [True, False])
def test_the_interval_over_cuts_covers_where_the_plain_one_does_not(folds):
    """Two classifiers by class means, one of the first half of the columns, on cuts of 60 rows."""
    rng = np.random.default_rng(1)
    n, d, cuts, times = 60, 12, 10, 150
    centre = np.full(d, 0.25)
    found = []
    for _ in range(times):
        y = rng.integers(2, size=n)
        x = rng.normal(size=(n, d)) + centre * (2 * y[:, None] - 1)
        order = rng.permutation(n).reshape(cuts, -1)
        each = [order[k] if folds else rng.permutation(n)[: n // 3] for k in range(cuts)]
        values, truth = [], []
        for test in each:
            train = np.setdiff1d(np.arange(n), test)
            means = [x[train][y[train] == k].mean(axis=0) for k in (0, 1)]
            rule, middle = means[1] - means[0], (means[1] + means[0]) / 2
            wrong, expected = [], []
            for kept in (slice(None), slice(d // 2)):
                w, b = rule[kept], rule[kept] @ middle[kept]
                wrong.append((x[test][:, kept] @ w > b) != y[test])
                centres = [(sign * centre[kept] @ w - b) / np.sqrt(w @ w) for sign in (-1, 1)]
                expected.append((stats.norm.cdf(centres[0]) + stats.norm.cdf(-centres[1])) / 2)
            values.append(np.subtract(*wrong, dtype=float)[None])
            truth.append(expected[0] - expected[1])
        one = intervals.resampled(values, n - len(each[0]))
        found.append((one, np.mean(truth), intervals.of_mean([v.mean() for v in values])))
    truth = np.mean([expected for _, expected, _ in found])  # of rules learned from so many rows
    covers = np.mean([abs(one.mean - truth) <= one.half_width for one, _, _ in found])
    plain = np.mean([abs(one.mean - truth) <= one.half_width for _, _, one in found])
    assert covers >= 0.92
    assert plain < covers - (0.03 if folds else 0.2)


def test_holms_correction_is_that_of_his_example():
    # Of sorted p the k-th is multiplied by n - k + 1, and none is below the one before.
    assert intervals.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.holm([0.6, 0.9]) == [1.0, 1.0]
    assert intervals.holm([]) == []
