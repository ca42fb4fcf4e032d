"""describe MODEL: what a run's folder or a model file is, its columns, and how it was trained."""

from collections.abc import Iterator

from sda.cli import apply
from sda.data.columns import Column, text_of
from sda.nn.heads import Classifier
from sda.nn.predictor import Predictor
from sda.runs.model import Model


def main(words: list[str]) -> int:
    """Say what a model is."""
    places, _ = apply.parsed("describe", words, 1)
    for line in lines(Model.load(places[0])):
        print(line)
    return 0


def lines(model: Model) -> Iterator[str]:
    """What a model is, line by line."""
    about, network = model.about, model.network
    stack = network.stack if isinstance(network, Predictor) else network
    what = "pretrained stack" if stack is network else type(network).__name__.lower()
    units = "-".join(str(layer.n_hidden) for layer in stack)
    yield f"{model.path}: {what}, {stack[0].n_visible} inputs, layers of {units}"
    if "arm" in about:
        yield (
            f"trained on {about['data']} ({about['source']}), {about['n_train']} rows, "
            f"init={about['arm']}, seed={about['seed']}, version {about['version']}"
        )
    for part in ("valid", "test"):
        if about.get(f"{part}_error") is not None:
            error, n = about[f"{part}_error"], about[f"n_{part}"]
            is_share = isinstance(network, Classifier)
            figure = f"error {100 * error:.2f} %" if is_share else f"R2 {1 - error:.3f}"
            yield f"{part} {figure} of {n} rows"
    if isinstance(network, Classifier):
        yield f"classes: {', '.join(model.classes)}"
    if model.pretrained is not None:
        yield f"reconstructs through layer {model.pretrained.best_depth or 1} unless told otherwise"
    if about.get("scores"):
        yield f"a score above {model.threshold(0.95):.4g} is unusual (quantile 0.95)"
    if model.encoding is not None:
        for column in model.encoding.columns:
            yield f"column {column.name!r}: {_column(column)}"
        for column in model.encoding.target:
            yield f"predicts {column.name!r}: {column.kind}"


def _column(column: Column) -> str:
    told = column.kind
    if column.is_number and column.quantiles:
        told += f", {column.quantiles[0]:g} to {column.quantiles[-1]:g} by quantiles"
    elif column.is_number:
        told += f", (value - {column.shift:.6g}) / {column.scale:.6g} ({column.scaling})"
    elif column.categories:
        values = [text_of(value) for value in column.categories[:12]]
        more = len(column.categories) - len(values)
        told += f", {', '.join(values)}" + f" and {more} more" * bool(more)
        told += ", rare ones together" * column.together
    return told + ", says where it is missing" * column.indicated
