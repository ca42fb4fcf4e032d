"""Columns of a table side by side, each with a distribution of its own, some cells missing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout, spread
from sda.nn.distributions import Categorical, CrossEntropy, Distribution, SquaredError


class _Parts(NamedTuple):
    """Columns of one distribution stand together here, so that they are computed together."""

    distributions: list[Distribution]
    sizes: list[int]  # components of each
    widths: list[int]  # logits of each
    components: Tensor  # their places in x, in this order
    logits: Tensor  # the places of their logits
    back: Tensor  # the places here of the components of x
    units: Tensor | None  # of the components, in the order of x; None: all 1
    weights: Tensor | None  # the same

    def to(self, device: torch.device) -> "_Parts":
        placed: Any = (one.to(device) if isinstance(one, Tensor) else one for one in self)
        return _Parts(*placed)

    def scaled(self, x: Tensor) -> Tensor:
        """Components (..., d) in the units of x."""
        return x if self.units is None else x.mul_(self.units.to(x.dtype))


@dataclass(frozen=True)
class Mixed(Distribution):
    """p(x | h) = Π p(column | h); a missing cell is NaN and is no target.

    Without columns it is the plan of one: those of the data take their place when a run begins.
    There, numbers are ``numeric``, binary columns Bernoulli and categorical ones a softmax over
    their components. The loss of a column is its −log p in nats, however many components it has, of
    a number in units of its deviation over the training rows: so each column counts once, and none
    drowns another as squared errors of one-hot components do, or numbers on a large scale. To guess
    a number costs ½, a category its entropy. ``weights`` let columns count otherwise.

    Logits (..., m): the first of each component, in order, then the further ones of each column.
    """

    columns: tuple[Distribution, ...] = ()
    sizes: tuple[int, ...] = ()  # components of each column
    weights: tuple[float, ...] = ()  # of the loss of each column, at least 0; none: 1
    units: tuple[float, ...] = ()  # of each column, above 0: it is x / unit that has a distribution
    numeric: Distribution = field(default_factory=SquaredError)  # of numbers, until columns are set

    missing: ClassVar[bool] = True

    def __post_init__(self) -> None:
        lengths = {len(given) for given in (self.sizes, self.weights, self.units) if given}
        if len(self.sizes) != len(self.columns) or not lengths <= {len(self.columns)}:
            raise ValueError(
                f"each of {len(self.columns)} columns needs a size, and a weight and a unit if one "
                f"has it; got {len(self.sizes)}, {len(self.weights)} and {len(self.units)}"
            )
        for column, size in zip(self.columns, self.sizes, strict=True):
            checks.whole("size of a column", size, 1)
            if isinstance(column, Mixed) or column.width not in (None, size):
                raise ValueError(f"a column of {size} components cannot be {column}")
        for weight in self.weights:
            checks.number("weight of a column", weight, 0)
        for unit in self.units:
            checks.positive("unit of a column", unit)

    def on(self, layout: Layout) -> Distribution:
        """The distribution of these columns; of codes, what suits the interval they lie in."""
        if self.columns:
            return self
        if layout.reach is not None:
            low, high = layout.reach
            return CrossEntropy() if low >= 0 and high <= 1 else SquaredError()
        if not layout.blocks:
            raise ValueError(
                "reconstruction=mixed needs a table with columns, and these data have none; use "
                "cross_entropy (values in [0, 1]) or squared_error"
            )
        kinds = {"numeric": self.numeric, "binary": CrossEntropy()}
        columns = [
            Categorical((one.size,))
            if one.kind == "categorical" and one.size > 1
            else kinds.get(one.kind)
            for one in layout.blocks
        ]
        sizes = tuple(block.size for block in layout.blocks)
        units = tuple(block.unit for block in layout.blocks)
        known = tuple(column or CrossEntropy() for column in columns)
        return replace(self, columns=known, sizes=sizes, units=units)

    @property
    def width(self) -> int | None:  # type: ignore[override]
        """All components of its columns."""
        return sum(self.sizes) or None

    @property
    def in_closed_form(self) -> bool:
        """Whether the distributions of all columns are."""
        own = self.columns or (self.numeric,)
        return type(self) is Mixed and all(column.in_closed_form for column in own)

    @property
    def independent(self) -> bool:  # type: ignore[override]
        """Whether the components of each column are."""
        return all(column.independent for column in self.columns)

    @property
    def left_out(self) -> float:  # type: ignore[override]
        """That of a whole row without missing cells, by component; log unit of numbers too."""
        units = self.units or (1.0,) * len(self.columns)
        weights = self.weights or (1.0,) * len(self.columns)
        each = zip(self.columns, self.sizes, units, weights, strict=True)
        total = sum((one.left_out + math.log(u)) * size * w for one, size, u, w in each)
        return total / max(1, sum(self.sizes))

    def n_logits(self, d: int) -> int:
        """Those of all columns."""
        if not self.columns:
            return self.numeric.n_logits(d)
        pairs = zip(self.columns, self.sizes, strict=True)
        return sum(column.n_logits(size) for column, size in pairs)

    def mean(self, logits: Tensor) -> Tensor:
        """The means of all columns (..., d)."""
        parts = self._parts(logits.device)
        means = [kind.mean(own) for kind, own in _split(parts, logits)]
        return parts.scaled(_in_order(parts, means))

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """−log p, weighted, of every component; 0 where x is NaN."""
        parts = self._parts(logits.device)
        pairs = zip(_split(parts, logits), _wanted(parts, x), strict=True)
        losses = [kind.loss(own, target) for (kind, own), target in pairs]
        return self._counted(_in_order(parts, losses), x)

    def residual(self, logits: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Write ∂loss/∂logits into ``out`` (..., d)."""
        parts = self._parts(logits.device)
        pairs = zip(_split(parts, logits), _wanted(parts, x), strict=True)
        errors = [kind.residual(own, t, torch.empty_like(t)) for (kind, own), t in pairs]
        return self._counted(out.copy_(_in_order(parts, errors)), x)

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw every column."""
        parts = self._parts(logits.device)
        drawn = [kind.sample(own, generator) for kind, own in _split(parts, logits)]
        return parts.scaled(_in_order(parts, drawn))

    def check_columns(self, low: Tensor, high: Tensor, what: str) -> None:
        """Raise ValueError if a column's values, in [low, high] (d,), cannot be reconstructed."""
        ends = zip(low.split(self.sizes), high.split(self.sizes), strict=True)
        for number, (column, (least, most)) in enumerate(zip(self.columns, ends, strict=True), 1):
            column.check(float(least.min()), float(most.max()), f"{what}, column {number},")

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logits of the means of all columns."""
        parts = self._parts(mean.device)
        pairs = zip(parts.distributions, _wanted(parts, mean), strict=True)
        own = torch.cat([kind.logits_of(means) for kind, means in pairs], -1)
        return torch.empty_like(own).index_copy_(-1, parts.logits, own)

    def _counted(self, losses: Tensor, x: Tensor) -> Tensor:
        """Losses (..., d) by the weight of their column; 0 where x is NaN."""
        weights = self._parts(x.device).weights
        if weights is not None:
            losses = losses.mul_(weights.to(losses.dtype))
        return losses.mul_(x == x)

    def _of_components(self, each: tuple[float, ...]) -> Tensor | None:
        """Values of columns as values of their components; None: all 1."""
        if all(value == 1 for value in each):
            return None
        return spread(torch.tensor(each, dtype=torch.float64), self.sizes)

    def _parts(self, device: torch.device) -> _Parts:
        if device not in self._known:
            self._known[device] = self._made.to(device)
        return self._known[device]

    @cached_property
    def _known(self) -> dict[torch.device, _Parts]:
        return {}

    @cached_property
    def _made(self) -> _Parts:
        """Columns of one distribution together; categorical ones of one size."""
        found: dict[Distribution, list[tuple[Tensor, Tensor]]] = {}
        start, further = 0, sum(self.sizes)
        for column, size in zip(self.columns, self.sizes, strict=True):
            more = column.n_logits(size) - size
            own = torch.arange(start, start + size)
            rest = torch.arange(further, further + more).reshape(-1, size)
            found.setdefault(column, []).append((own, torch.cat([own[None], rest])))
            start, further = start + size, further + more
        components = [torch.cat([own for own, _ in places]) for places in found.values()]
        logits = [torch.cat([own for _, own in places], -1).flatten() for places in found.values()]
        together = [
            Categorical(kind.sizes * len(places)) if isinstance(kind, Categorical) else kind
            for kind, places in found.items()
        ]
        order = torch.cat(components)
        sizes, widths = list(map(len, components)), list(map(len, logits))
        units, weights = self._of_components(self.units), self._of_components(self.weights)
        places = (order, torch.cat(logits), order.argsort())
        return _Parts(together, sizes, widths, *places, units, weights)


def _split(parts: _Parts, logits: Tensor) -> Iterator[tuple[Distribution, Tensor]]:
    """Each distribution with its logits."""
    own = _taken(logits, parts.logits).split(parts.widths, -1)
    return zip(parts.distributions, own, strict=True)


def _wanted(parts: _Parts, x: Tensor) -> list[Tensor]:
    """What each distribution is to reconstruct: 0 for NaN, since NaN · 0 would be NaN again."""
    x = x if parts.units is None else x / parts.units.to(x.dtype)
    return list(_taken(x, parts.components).nan_to_num_(0.0).split(parts.sizes, -1))


def _in_order(parts: _Parts, values: Sequence[Tensor]) -> Tensor:
    """Values of each distribution as components of x."""
    return _taken(torch.cat(list(values), -1), parts.back)


def _taken(values: Tensor, places: Tensor) -> Tensor:
    """Values (..., m) at places of the last axis; of a matrix: that is several times faster."""
    rows = values.reshape(-1, values.shape[-1]).index_select(1, places)
    return rows.reshape(*values.shape[:-1], -1)
