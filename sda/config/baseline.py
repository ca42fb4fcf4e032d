"""A baseline as asked for: an estimator of scikit-learn, its grid, what it learns from."""

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sda.common import checks
from sda.config.parts import estimator, section
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.nn.corruption import Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import identity
from sda.runs.folder import PRETRAINED, RunFolder
from sda.runs.identity import flat
from sda.runs.model_file import pretrained_stack

READ = ("finetune.labelled", "finetune.corruption")  # settings of a network that it reads too
UNREAD = ("stack", "pretrain", "finetune", "corruption", "reconstruction", "precision", "init")


@dataclass(frozen=True)
class Encoder:
    """The lowest ``layer`` layers of a run's stack as pretraining left it."""

    folder: Path
    layer: int
    stack: StackedDenoisingAutoencoder
    weights: str  # SHA-256 of their file


@dataclass(frozen=True)
class Baseline:
    """A baseline, fully specified but for its data."""

    name: str
    init: str  # the arm: svm_rbf, random_forest
    seed: int
    estimator: Any  # of scikit-learn, not fitted; the grid sets the rest
    grid: dict[str, list[Any]]  # all combinations are tried
    encoder: Encoder | None  # None: it sees the input
    refit: bool  # whether what is tested learns from the validation rows too
    search_rows: int | None  # rows that settings are compared on; None: all
    labelled: int | None  # training rows whose labels are used; None: all
    corruption: Corruption | None  # of the rows that it learns from; None: as they are
    test: bool
    settings: dict[str, Any]  # flat; parameters under the arm's name
    published: dict[str, Any] | None
    fills: bool = False  # whether missing cells get the mean of their column over training rows
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def tried(self) -> list[dict[str, Any]]:
        """The parameters that are tried, in their order."""
        return list(ParameterGrid(self.grid))

    def model(self, parameters: Mapping[str, Any]) -> Any:
        """An estimator that has not been fitted, with parameters out of the grid.

        A regressor learns, as a network does, in units of mean 0 and deviation 1 of each target.
        """
        made = clone(self.estimator).set_params(**parameters)
        numeric = is_regressor(made)
        if self.fills:
            from sklearn.impute import SimpleImputer  # slow to import, and seldom needed

            made = make_pipeline(SimpleImputer(keep_empty_features=True), made)
        return TransformedTargetRegressor(made, transformer=StandardScaler()) if numeric else made

    def on(self, splits: Splits) -> "Baseline":
        """The baseline for these rows: missing cells are filled if it cannot take them."""
        takes = self.encoder is not None or get_tags(self.estimator).input_tags.allow_nan
        return self if takes else replace(self, fills=splits.has_holes)

    def reads(self, key: str) -> bool:
        """Whether a setting has an effect on it."""
        if key.startswith("corruption."):
            return self.corruption is not None
        return key.partition(".")[0] not in UNREAD or key.startswith(READ)

    def described(self) -> dict[str, Any]:
        """What decides its numbers, apart from seed and data."""
        own = {
            "arm": self.init,
            "estimator": type(self.estimator).__name__,
            "fixed": {k: v for k, v in _said(self.estimator).items() if k != "random_state"},
            "grid": self.grid,
            "corruption": identity.described(self.corruption),
            "labelled": self.labelled,
            "search_rows": self.search_rows,
            "refit": self.refit or None,
            "codes": self.encoder and [self.encoder.weights, self.encoder.layer],
        }
        return {key: value for key, value in own.items() if value is not None}

    def computed(self) -> dict[str, Any]:
        """How it is computed, for its record."""
        return {}


def build(plain: Mapping[str, Any], like: Run) -> Baseline:
    """Turn a resolved configuration into a baseline. Raises ValueError in one line.

    Args:
        plain: the configuration.
        like: a network without pretraining with the same settings, where those that both read are
            checked.
    """
    if plain.get("baseline") is None:
        raise ValueError("init=baseline needs one: baseline=svm_rbf; --help lists them")
    node = section("baseline", plain["baseline"])
    arm = checks.text("baseline.name", node.pop("name", None))
    given = node.pop("grid", None) or {}
    grid = {key: _values(f"baseline.grid.{key}", v) for key, v in section("grid", given).items()}
    encoder = _encoder(plain.get("codes_of"), plain.get("layer"))
    trained = RunFolder(encoder.folder).result if encoder else {}
    made = estimator("baseline", node, grid)
    rows, refit = plain.get("search_rows"), checks.flag("refit", plain.get("refit", False))
    plan = Baseline(
        name=like.name,
        init=arm,
        seed=int(trained.get("seed", like.seed)),  # on codes, that of their run
        estimator=made,
        grid=grid,
        encoder=encoder,
        refit=refit,
        search_rows=None if rows is None else checks.whole("search_rows", rows, 2),
        labelled=like.finetuning.labelled,
        corruption=like.finetuning.corruption,
        test=like.test,
        settings={f"{arm}.{key}": value for key, value in flat({**node, **given}).items()},
        published=like.published,
    )
    if "random_state" in made.get_params():
        made.set_params(random_state=plan.seed)
    for parameters in plan.tried:  # refused now, not after an hour
        clone(made).set_params(**parameters)._validate_params()
    return replace(plan, settings=_settings(plan, like, trained))


def _settings(plan: Baseline, like: Run, trained: Mapping[str, Any]) -> dict[str, Any]:
    """The flat settings of its record.

    They are its own, those of a network that it reads too, such as the data's, and, where it learns
    on codes, those of the layers.
    """
    read = {key: value for key, value in like.settings.items() if plan.reads(key)}
    read |= {"seed": plan.seed, "init": plan.init} | plan.settings
    read |= {} if plan.search_rows is None else {"search_rows": plan.search_rows}
    read |= {"refit": True} if plan.refit else {}
    if plan.encoder is None:
        return read
    # So that compare tells the stacks apart.
    stack = identity.computed(trained["settings"], str(trained["init"]))
    read |= {f"codes.{k}": v for k, v in stack.items() if not k.startswith("finetune.")}
    own = {"codes_of": str(plan.encoder.folder), "codes_of.weights": plan.encoder.weights}
    return read | own | {"layer": plan.encoder.layer}


def _values(name: str, value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"{name} must list at least one value, got []")
    return [one for k, one in enumerate(values) if one not in values[:k]]


def _said(made: Any) -> dict[str, Any]:
    """Parameters that are not at their default."""
    known = inspect.signature(type(made)).parameters
    return {k: v for k, v in sorted(made.get_params().items()) if v != known[k].default}


def _encoder(codes_of: Any, layer: Any) -> Encoder | None:
    """Load the stack that codes are asked of. Raises ValueError in one line."""
    if codes_of is None:
        if layer is not None:
            raise ValueError(f"layer needs codes_of=FOLDER, a run's folder; got layer={layer!r}")
        return None
    folder = Path(checks.text("codes_of", codes_of))
    stack = pretrained_stack(folder, "codes_of")
    weights = hashlib.sha256((folder / PRETRAINED).read_bytes()).hexdigest()
    if checks.whole("layer", layer) > len(stack):
        raise ValueError(f"layer must be at most {len(stack)}, the layers of {folder}, got {layer}")
    return Encoder(folder, layer, stack, weights)
