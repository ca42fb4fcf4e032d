"""One support vector machine as it was asked for: its kernel, what is tried, what it sees."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sda.analysis import naming
from sda.common import checks, threads
from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.config import parts, schema
from sda.config.settings import PLANNING, check_published
from sda.config.validation import made
from sda.data.splits import Splits
from sda.experiment.svm import Kernel, Setting
from sda.nn.corruption import Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs import settings as settings_words
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import PRETRAINED, RunFolder, RunFolderError
from sda.runs.results import Trained

BLOCK = 1000  # rows that are encoded at once
READ = {  # the parameters of each kernel
    Kernel.linear: ("C",),
    Kernel.rbf: ("C", "gamma"),
    Kernel.poly: ("C", "gamma", "degree", "coef0"),
}


@dataclass(frozen=True)
class Encoder:
    """The lowest ``layer`` layers of a run's stack as pretraining left it."""

    folder: Path
    layer: int
    stack: StackedDenoisingAutoencoder
    weights: str  # SHA-256 of their file


@dataclass(frozen=True)
class SvmPlan:
    """A support vector machine, fully specified but for its data."""

    name: str
    kernel: Kernel
    seed: int
    tried: tuple[Setting, ...]
    encoder: Encoder | None  # None: it sees the input
    refit: bool  # whether the machine that is tested learns from the validation rows too
    search_rows: int | None  # training rows that settings are compared on; None: all
    corruption: Corruption | None  # of the rows that it learns from; None: as they are
    settings: dict[str, Any]  # flat; parameters under the arm's name
    published: dict[str, Any] | None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def init(self) -> str:
        """The arm: svm_linear, svm_rbf or svm_poly."""
        return f"svm_{self.kernel}"

    @torch.no_grad()
    def features(self, x: NDArray[Any]) -> Tensor:
        """What the machine sees of rows x (n, d): themselves or their codes, unscaled."""
        return self._coded(shared(x))

    @torch.no_grad()
    def learned(self, x: NDArray[Any], what: str) -> Tensor:
        """What it learns from rows x (n, d): as ``features``, but of rows with their noise.

        ``what`` they are, training or validation rows, names with the seed what is drawn.
        """
        rows = shared(x)
        if self.corruption is not None:
            rows = self.corruption(floats(rows), stream(self.seed, "noisy rows", what)).x
        return self._coded(rows)

    def _coded(self, rows: Tensor) -> Tensor:
        if self.encoder is None:
            return floats(rows)
        blocks = map(floats, rows.split(BLOCK))
        return torch.cat([self.encoder.stack.encode(b, self.encoder.layer) for b in blocks])

    def compared(self, y: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which training rows settings are compared on, of every class its share, as they stand.

        Args:
            y: classes of all rows (n,).
        """
        n, count = len(y), self.search_rows or len(y)
        return np.sort(np.argsort(y, kind="stable")[np.arange(count) * n // count])

    def check(self, splits: Splits) -> None:
        """Raise ValueError for rows of one class, too few, or that the stack was not trained on."""
        y = splits.train.y
        if len(np.unique(y)) < 2:
            raise ValueError("a support vector machine needs training rows of two classes, got one")
        checks.whole("search_rows", self.search_rows or len(y), high=len(y))
        if missing := set(y.tolist()) - set(y[self.compared(y)].tolist()):
            raise ValueError(
                f"search_rows must be large enough for a row of every class, got "
                f"{self.search_rows} of {len(y)}, without {len(missing)} of the classes"
            )
        if self.encoder is None:
            return
        trained = RunFolder(self.encoder.folder).result
        if trained.get("data_hash") != splits.digest():
            known = str(trained.get("data_hash"))[:8]
            raise RunFolderError(
                f"codes_of={self.encoder.folder} was trained on other rows: "
                f"{trained.get('data')} ({trained.get('source')}, {known}), "
                f"got {splits.name} ({splits.source}, {splits.digest()[:8]})"
            )


@dataclass(frozen=True)
class Settings:
    """The keys of conf/svm.yaml."""

    data: dict[str, Any]
    kernel: dict[str, Any]
    search_rows: int | None
    refit: bool
    codes_of: str | None
    layer: int | None
    seed: int | None
    name: str | int
    runs_folder: str
    overwrite: bool
    threads: int | Literal["auto"]
    data_folder: str | None
    published: dict[str, Any] | None
    minutes: float | None
    corruption: dict[str, Any] | None = None
    vars: dict[str, Any] | None = None  # what files have of their own, for others to point at

    def __post_init__(self) -> None:
        threads.threads(self.threads)
        check_published(self.published)


def build(plain: Mapping[str, Any]) -> SvmPlan:
    """Turn a resolved configuration into a plan. Raises ValueError in one line."""
    made("", Settings, plain)
    parts.data_function("data", plain["data"])  # refused here, nothing is read yet
    kernel = Kernel(checks.one_of("kernel.name", plain["kernel"].get("name"), (*Kernel,)))
    encoder = _encoder(plain["codes_of"], plain["layer"])
    trained = RunFolder(encoder.folder).result if encoder else {}
    seed = trained.get("seed", 0) if plain["seed"] is None else plain["seed"]
    aside = ("kernel", "codes_of", "layer", "search_rows", *PLANNING)
    own = {key: value for key, value in plain.items() if key not in aside}
    settings = settings_words.flat(own) | {"seed": seed, "init": f"svm_{kernel}"}
    grid = {key: value for key, value in plain["kernel"].items() if key != "name"}
    settings |= {f"svm_{kernel}.{key}": value for key, value in grid.items()}
    rows = plain["search_rows"]
    if rows is not None:
        settings |= {"search_rows": checks.whole("search_rows", rows, 2)}
    if encoder:
        settings |= {"codes_of": str(encoder.folder), "codes_of.weights": encoder.weights}
        settings |= {"layer": encoder.layer} | _pretraining(encoder.folder, trained)
    return SvmPlan(
        name=str(plain["name"]),
        kernel=kernel,
        seed=checks.whole("seed", seed, high=math.inf),
        tried=tuple(_settings(kernel, grid)),
        encoder=encoder,
        refit=plain["refit"],
        search_rows=rows,
        corruption=schema.corruption("corruption", plain.get("corruption")),
        settings=settings,
        published=plain["published"],
    )


def _settings(kernel: Kernel, grid: Mapping[str, Any]) -> list[Setting]:
    """All combinations of the values, checked."""
    if set(grid) != set(READ[kernel]):
        raise ValueError(
            f"kernel={kernel} has the parameters {', '.join(READ[kernel])}, got {', '.join(grid)}"
        )
    values = {
        key: [_checked(f"kernel.{key}", value) for value in _list(f"kernel.{key}", grid[key])]
        for key in READ[kernel]
    }
    names = list(values)
    found = [
        Setting(kernel, **dict(zip(names, combination, strict=True)))
        for combination in product(*values.values())
    ]
    return list(dict.fromkeys(found))


def _list(name: str, value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"{name} must list at least one value, got []")
    return values


def _checked(name: str, value: Any) -> Any:
    if name == "kernel.degree":
        return checks.whole(name, value, 1)
    return checks.number(name, value, 0) if name == "kernel.coef0" else checks.positive(name, value)


def _encoder(codes_of: Any, layer: Any) -> Encoder | None:
    """Load the stack that codes are asked of. Raises ValueError in one line."""
    if codes_of is None:
        if layer is not None:
            raise ValueError(f"layer needs codes_of=FOLDER, a run's folder; got layer={layer!r}")
        return None
    folder = Path(str(codes_of))
    result = RunFolder(folder).result
    if not result:
        raise RunFolderError(f"codes_of={folder} holds no run: there is no readable result.json")
    if result.get("init") == "random":
        raise RunFolderError(f"codes_of={folder} has no pretrained stack: its arm is random")
    try:
        stack = model_file.load(folder / PRETRAINED)
        weights = hashlib.sha256((folder / PRETRAINED).read_bytes()).hexdigest()
    except (CheckpointError, OSError) as error:
        raise RunFolderError(
            f"codes_of needs the folder of a run that has been pretrained: {error}"
        ) from None
    if not isinstance(stack, StackedDenoisingAutoencoder):
        raise RunFolderError(f"{folder / PRETRAINED} holds no stack")
    if checks.whole("layer", layer) > len(stack):
        raise ValueError(f"layer must be at most {len(stack)}, the layers of {folder}, got {layer}")
    return Encoder(folder, layer, stack, weights)


def _pretraining(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Settings that a stack was pretrained with, so that compare tells the stacks apart."""
    read = naming.computed([Trained(folder, result)])
    return {f"codes.{key}": value for key, value in read.items() if not key.startswith("finetune.")}
