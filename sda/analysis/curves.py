"""Curves as PNG files in memory: of runs over epochs, of arms over numbers of labels."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sda.analysis.comparison import Table, grouped
from sda.analysis.styles import styles
from sda.runs.results import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[Sequence[float], Sequence[float]]  # epochs, values

BOLD: dict[str, Any] = {"linewidth": 1.8, "markersize": 4, "markevery": 0.1}
FINE: dict[str, Any] = {"linewidth": 0.9, "marker": "", "alpha": 0.8}
MEASURES = {  # of a phase: what its curves show, and whether in fine lines
    "finetune": {"valid_error": False},
    "pretrain": {"valid": False, "valid_clean": True},
}
FEW = 5  # that ratio, up to which every tick of such an axis has its number
LOGARITHMIC = 15  # ratio of the largest to the smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes: arm -> its runs, each (epochs, values)."""

    title: str
    solid: dict[str, list[Line]]
    fine: dict[str, list[Line]]


def panels(tables: Sequence[Table]) -> list[Panel]:
    """Curves of every table: validation error of fine-tuning, reconstruction of each layer."""
    return [panel for table in tables for panel in _panels(table, len(tables) > 1)]


def draw(panels: Sequence[Panel]) -> bytes:
    """Draw arms over epochs, a panel for each measure: thin lines runs, thick ones their mean.

    An arm has the same colour and dashes in all panels. Fine, means alone: the same from clean
    input.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    arms = list(dict.fromkeys(arm for panel in panels for arm in (*panel.solid, *panel.fine)))
    drawn = {arm: style | BOLD for arm, style in styles(arms).items()}
    figure = Figure(figsize=(max(5.4 * columns, 7), 3.2 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        for arm, runs in panel.solid.items():
            _draw(axis, runs, drawn[arm])
        for arm, runs in panel.fine.items():
            axis.plot(*mean(runs), **drawn[arm] | FINE)
        _finish(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles = [Line2D([], [], label=arm, **drawn[arm]) for arm in arms]
    if any(panel.fine for panel in panels):
        grey: dict[str, Any] = {"color": "0.4", "linewidth": BOLD["linewidth"]}
        handles.append(Line2D([], [], label="from corrupted input", **grey))
        handles.append(Line2D([], [], label="from clean input", **grey | FINE))
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), 140 // (longest + 8)))
    place: dict[str, Any] = {"loc": "outside upper center", "ncols": columns}
    figure.legend(handles=handles, fontsize=9, frameon=False, **place)
    return _png(figure)


def over_labels(
    arms: Mapping[str, Mapping[int, tuple[float, float]]], bold: Sequence[str]
) -> bytes:
    """Draw test errors over numbers of labels, both logarithmic, with bars for their intervals.

    Args:
        arms: by name and number of labels: mean and half-width, in percent.
        bold: those that are drawn in thicker lines.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axis = figure.subplots()
    drawn = styles(list(arms))
    for place, (arm, own) in enumerate(arms.items()):
        shift = 1 + 0.012 * (place - len(arms) / 2)  # bars side by side
        means, bars = np.array(list(own.values())).T
        low = np.minimum(bars, 0.9 * means)  # an axis of logarithms has no 0
        axis.errorbar(
            [shift * rows for rows in own], np.maximum(means, 0.01), yerr=[low, bars], label=arm,
            linewidth=2.2 if arm in bold else 1.2, elinewidth=0.8, capsize=2, markersize=4,
            **drawn[arm],
        )  # fmt: skip
    axis.set_xscale("log")
    rows = sorted({number for own in arms.values() for number in own})
    axis.set_xticks(rows, [str(one) for one in rows])
    axis.xaxis.set_minor_formatter(NullFormatter())
    _logarithmic(axis)
    axis.set_xlabel("training rows with labels")
    axis.set_ylabel("test error (%)")
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False, fontsize=9)
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def mean(runs: Sequence[Line]) -> tuple[list[float], list[float]]:
    """Mean over runs at each epoch; a run that has ended counts with its last value.

    Otherwise the runs that stop early, often the good ones, would drop out of the mean.
    """
    epochs = sorted({epoch for run in runs for epoch in run[0]})
    values = [float(np.mean([np.interp(epoch, *run) for run in runs])) for epoch in epochs]
    return epochs, values


def _panels(table: Table, is_named: bool) -> list[Panel]:
    """Fine-tuning first, then the layers from the bottom."""
    found: dict[int, Panel] = {}
    for arm in table.arms:
        for run in arm.runs:
            for (layer, fine), points in grouped(_points(run), lambda point: point[:2]).items():
                what = f"layer {layer}: validation reconstruction"
                title = what if layer else "fine-tuning: validation error (%)"
                title = f"{table.data}, " * is_named + title
                panel = found.setdefault(layer, Panel(title, {}, {}))
                line = [epoch for *_, epoch, _ in points], [value for *_, value in points]
                (panel.fine if fine else panel.solid).setdefault(arm.label, []).append(line)
    return [found[layer] for layer in sorted(found)]


def _points(run: Trained) -> Iterator[tuple[int, bool, float, float]]:
    """Layer, 0 of fine-tuning, whether fine, epoch and value of what a record has for curves."""
    for row in run.metrics():
        for key, fine in MEASURES.get(row.get("phase", ""), {}).items():
            value = row.get(key)
            if isinstance(value, float | int) and math.isfinite(value) and "epoch" in row:
                layer = int(row["layer"]) if row["phase"] == "pretrain" else 0
                yield layer, fine, float(row["epoch"]), float(value if layer else 100 * value)


def _draw(axis: "Axes", runs: Sequence[Line], style: dict[str, Any]) -> None:
    if len(runs) > 1:
        for run in runs:
            axis.plot(*run, color=style["color"], linewidth=0.6, alpha=0.35)
    axis.plot(*mean(runs), **style)


def _finish(axis: "Axes", panel: Panel) -> None:
    """Title, grid and limits: those of the values after the first epochs."""
    from matplotlib.ticker import MaxNLocator

    lines = [run for group in (panel.solid, panel.fine) for runs in group.values() for run in runs]
    low = min(min(values) for _, values in lines)
    high = max(max(_settled(values)) for _, values in lines)
    axis.set_title(panel.title, fontsize=10)
    axis.set_xlabel("epoch", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axis.grid(alpha=0.25, which="both")
    if low > 0 and high / low > LOGARITHMIC:
        _logarithmic(axis)
        axis.set_ylim(low / 1.1, high * 1.1)
    else:
        room = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
        axis.set_ylim(max(low - room, 0) if low >= 0 else low - room, high + room)
    axis.tick_params(labelsize=8, which="both")


def _settled(values: Sequence[float]) -> Sequence[float]:
    """Values after the first twentieth: an untrained network would flatten the rest."""
    return values[len(values) // 20 :]


def _logarithmic(axis: "Axes") -> None:
    """Make an axis of values logarithmic: numbers at 1, 2 and 5 of each decade, or at all."""
    from matplotlib.ticker import FuncFormatter

    def label(value: float, _: int) -> str:
        low, high = axis.get_ylim()
        digit = value / 10 ** math.floor(math.log10(value) + 1e-9)
        return f"{value:g}" if high <= FEW * low or round(digit, 6) in (1, 2, 5) else ""

    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(label))
    axis.yaxis.set_minor_formatter(FuncFormatter(label))
