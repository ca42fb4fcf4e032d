"""KernelSVC: scikit-learn's predictions, its checks, and products that a grid shares."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, SkipTestWarning
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from sda import KernelSVC
from sda.data.digits import digits
from sda.experiment import kernel_svc

SETTINGS = [
    {"kernel": "linear", "C": 0.3},
    {"kernel": "rbf", "C": 3.0, "gamma": 1.5},
    {"kernel": "poly", "C": 0.2, "gamma": 2.0, "degree": 3, "coef0": 0.5},
]


@pytest.fixture(scope="module")
def splits():
    return digits(seed=0)


def theirs(setting, x):
    """Scikit-learn's own machine for training rows x."""
    gamma = setting.get("gamma", 1.0) / (x.shape[1] * x.var())
    return SVC(**setting | {"gamma": gamma})


@pytest.mark.parametrize("kept", [True, False], ids=["products kept", "products by pair"])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["kernel"])
def test_predictions_are_those_of_scikit_learns_own_kernels(
    splits, setting, classes, kept, monkeypatch
):
    monkeypatch.setattr(kernel_svc, "MOST_KEPT", 10_000 if kept else 0)
    few = splits.train.y < classes
    x, y = splits.train.x[few].astype(float), splits.train.y[few]
    machine, own = KernelSVC(**setting).fit(x, y), theirs(setting, x).fit(x, y)
    unseen = splits.test.x[splits.test.y < classes].astype(float)
    np.testing.assert_array_equal(machine.predict(unseen), own.predict(unseen))
    common = set(machine.support_) & set(own.support_)
    assert len(common) >= len(own.support_) - 2  # float32 rounds


def test_labels_need_neither_be_consecutive_nor_sorted(splits):
    x, y = splits.train.x.astype(float), np.array(["c", "a", "b"])[splits.train.y % 3]
    own = theirs(SETTINGS[1], x).fit(x, y)
    predicted = KernelSVC(**SETTINGS[1]).fit(x, y).predict(splits.test.x)
    np.testing.assert_array_equal(predicted, own.predict(splits.test.x.astype(float)))


def test_scikit_learns_checks_of_an_estimator_pass():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # without SCIPY_ARRAY_API
        check_estimator(KernelSVC())


def test_a_machine_that_did_not_converge_says_so(splits):
    with pytest.warns(ConvergenceWarning, match="not converged in 3 steps"):
        assert KernelSVC(max_iter=3).fit(splits.train.x, splits.train.y).fit_status_


def test_machines_of_the_same_rows_share_their_products_while_one_is_there(splits, monkeypatch):
    made, original = [], kernel_svc._Rows._products
    monkeypatch.setattr(
        kernel_svc._Rows, "_products", lambda self: made.append(1) or original(self)
    )
    x, y = splits.train.x, splits.train.y
    for C in (0.1, 1, 10):
        machine = KernelSVC(C=C).fit(x.copy(), y)
    assert len(made) == 1
    changed = x.copy()
    changed[0, 0] += 0.5  # in place, as the same array
    other = KernelSVC(C=10).fit(changed, y)
    assert len(made) == 2
    del machine, other
    KernelSVC().fit(x, y)
    assert len(made) == 3


def test_a_pickled_machine_predicts_the_same_and_leaves_the_products_behind(splits):
    machine = KernelSVC().fit(splits.train.x, splits.train.y)
    stored = pickle.dumps(machine)
    assert len(stored) < 4 * (splits.train.x.size + len(splits.train.y) * 90)
    again = pickle.loads(stored)
    np.testing.assert_array_equal(again.predict(splits.test.x), machine.predict(splits.test.x))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kernel": "rbff"}, "kernel must be one of linear, rbf, poly, got 'rbff'"),
        ({"C": -1}, "C must be a number above 0, got -1"),
        ({"degree": 1.5}, "degree must be a whole number of at least 1"),
        ({"gamma": 0}, "gamma must be a number above 0"),
    ],
)
def test_a_wrong_parameter_is_told_in_one_line(parameters, message):
    with pytest.raises(ValueError, match=message):
        KernelSVC(**parameters).fit(np.eye(4), [0, 0, 1, 1])
