"""`./run data list|fetch|make|show`: what there is, and how to get, make and look at it."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from sda.analysis import pictures
from sda.common.errors import DataError
from sda.common.program import program
from sda.data import description, mnist
from sda.data.cache import cache_folder
from sda.data.downloads import downloads, fetch
from sda.data.sources import PROBLEMS, SOURCES, find_original
from sda.data.splits import Splits

# by name: numbers of training, validation and test rows; classes
SETS: dict[str, tuple[str, int | None]] = {
    **{p.name: (f"{p.n_train} {p.n_valid} {p.n_test}", p.n_classes) for p in PROBLEMS.values()},
    "mnist": ("50000 10000 10000", 10),
    "digits": ("1000 297 500", 10),
    "patches": ("20000 5000 5000", None),
    "colour_patches": ("20000 5000 5000", None),
    "coloured": ("5000 1000 5000", 10),
    "text": ("2255 471 472", None),
}
_WIDTH = max(map(len, SETS))
_PHOTOGRAPHS = "scikit-learn's two: CC BY 2.0"
LICENCES = {
    "basic": "MNIST's",
    "rot": "MNIST's",
    "bg-rand": "MNIST's",
    "bg-img": f"MNIST's; {_PHOTOGRAPHS}",
    "rot-bg-img": f"MNIST's; {_PHOTOGRAPHS}",
    "rect": "ours: MIT; the original files state none",
    "rect-img": _PHOTOGRAPHS,
    "convex": "ours: MIT; the original files state none",
    "mnist": "its page states none; often given as CC BY-SA 3.0",
    "digits": "UCI: CC BY 4.0",
    "patches": _PHOTOGRAPHS,
    "colour_patches": _PHOTOGRAPHS,
    "coloured": "ours: MIT",
    "text": "ours: MIT",
}
_PER_CLASS = 60  # pictures of a montage
_FROM_MNIST = ("basic", "rot", "bg-rand", "bg-img", "rot-bg-img", "mnist")


def main(argv: list[str]) -> int:
    """Run one command; print what it did; return the exit code, 1 if anything could not be had."""
    options = _parser().parse_args(argv)
    names = list(SETS) if "all" in options.names else list(dict.fromkeys(options.names))
    return int(options.command(names, options))


def _list(names: list[str], options: argparse.Namespace) -> int:
    kept = _kept()
    print(f"{'name':<{_WIDTH}} {'train valid test':<18} {'classes':>7}  {'here':<20} cached")
    for name in names:
        rows, classes = SETS[name]
        cached = sorted(kept.get(name, ()))
        here = next((k for k in cached if k.startswith("original")), _here(name, options))
        told = f"{rows:<18} {classes or '-':>7}  {here:<20} {', '.join(cached) or '-'}"
        print(f"{name:<{_WIDTH}} {told}")
    print("\nLicences, of the rows made or found here (photographs of yours have their own):")
    for name in names:
        print(f"{name:<{_WIDTH}} {LICENCES[name]}")
    print(
        "\ndata=table takes your own .csv, .tsv, .parquet or .npz file; data=arrays a folder too."
    )
    print(f"Cache: {cache_folder()}")
    return 0


def _fetch(names: list[str], _: argparse.Namespace) -> int:
    failed = 0
    for name in names:
        for wanted in downloads(name):
            try:
                print(f"{name:<{_WIDTH}} {fetch(wanted)}", flush=True)
            except DataError as error:
                failed += 1
                print(f"{name}: {error}", file=sys.stderr)
        if not downloads(name):
            print(f"{name:<{_WIDTH}} nothing to fetch: it comes with scikit-learn or is made here")
    return int(failed > 0)


def _make(names: list[str], options: argparse.Namespace) -> int:
    failed = 0
    for name in names:
        start = time.perf_counter()
        if (splits := _opened(name, options)) is None:
            failed += 1
        elif options.out is None:
            rows = " ".join(str(len(part.y)) for part in splits.parts().values())
            seconds = time.perf_counter() - start
            print(f"{name:<{_WIDTH}} {rows:<18} {splits.source:<20} {seconds:6.2f} s", flush=True)
        else:
            _show(name, splits, Path(options.out))
    return int(failed > 0)


def _show(name: str, splits: Splits, folder: Path) -> None:
    for what, value in description.describe(splits).items():
        print(f"{name}  {what}: {value}")
    if splits.image_shape is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for label in range(splits.n_classes):
            rows = splits.train.x[np.flatnonzero(splits.train.y == label)[:_PER_CLASS]]
            if len(rows):
                file = folder / f"{splits.name}-class{label}.png"
                images = pictures.in_range(rows, splits.image_shape)
                pictures.save_png(pictures.montage(images, columns=12), file, scale=2)
                print(f"{name}  {file}")


def _opened(name: str, options: argparse.Namespace) -> Splits | None:
    """The set as ``data=NAME`` has it; None, with a message, if it cannot be had."""
    from sda.config import compose, parts  # slow: it imports Hydra; the list does not need it

    node = compose.settings([f"data={name}"])["data"]
    if "source" not in node and options.source != "auto":
        print(f"{name}: it has one source, got --source {options.source}", file=sys.stderr)
        return None
    said = {key: getattr(options, key) for key in ("folder", "source", "seed", "photographs")}
    own = {key: value for key, value in said.items() if key in node and value is not None}
    try:
        function, values = parts.data_function("data", node | own)
        return function(**values)
    except DataError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None


def _here(name: str, options: argparse.Namespace) -> str:
    """Where a set would come from now, without making it."""
    if name in ("digits", "text"):
        return "embedded"
    found = find_original(PROBLEMS[name], options.folder) if name in PROBLEMS else None
    if found is not None:
        return found.source
    made = {"mnist": "original", "basic": "reconstructed"}.get(name, "regenerated")
    if name in _FROM_MNIST and not mnist.at_hand(options.folder):
        return "no (needs mnist)"
    return made


def _kept() -> dict[str, set[str]]:
    kept: dict[str, set[str]] = {}
    for file in sorted((cache_folder() / "sets").glob("*/about.json")):
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            kept.setdefault(str(about["name"]), set()).add(str(about["source"]))
        except (OSError, ValueError, KeyError):
            continue
    return kept


def _seed(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {word}")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog=f"{program()} data", description=(__doc__ or "").split(": ")[1]
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    names = [*SETS, "all"]
    for name, command, text in (
        ("list", _list, "name, sizes, classes, the source there is here, what is cached"),
        ("fetch", _fetch, "download the published files into the cache (needs the network)"),
        ("make", _make, "read or generate into the cache"),
        ("show", _make, "a montage per class, and the statistics that the rules promise"),
    ):
        one = commands.add_parser(name, help=text, description=text.capitalize() + ".")
        one.set_defaults(command=command, out=None, names=["all"])
        add = one.add_argument
        if name != "list":
            add("names", nargs="+", choices=names, help=", ".join(names), metavar="NAME")
        if name != "fetch":
            add("--folder", help="the data folder (default: SDA_DATA)")
        if name in ("make", "show"):
            add("--source", choices=SOURCES, default="auto")
            add("--seed", type=_seed, default=0, help="of the generator (default: 0)")
            add("--photographs", help="folder of pictures (default: scikit-learn's)")
        if name == "show":
            add("--out", default="pictures", help="folder for PNGs (default: pictures)")
    return top
