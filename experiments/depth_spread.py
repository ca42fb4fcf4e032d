"""Test error and its spread over seeds against depth: Erhan et al. (2010), figures 1 and 2.

    SDA_DATA=<folder of MNIST> ./run -m experiment=depth_spread hydra/launcher=batched
    ./run experiments/depth_spread.py runs/depth_spread [OUT.png]

Of the supervised rates that were tried at a depth, that with the lowest mean validation error over
the seeds that all rates have; its other seeds join the figure. Writes
results/figures/depth_spread.png and, beside it, a CSV, which it prints. Then says of each depth how
far random weights are from pretrained ones, with the paired interval over seeds.
"""

import statistics
from pathlib import Path

from lib import script
from lib.curves import contrast, finished_in, score
from lib.figure import save, write_table
from matplotlib.figure import Figure

from sda.analysis.naming import ORDER
from sda.analysis.styles import styles
from sda.runs.results import Trained

Runs = dict[int, Trained]  # by seed
LEARNED = 0.9  # of the error of naming the commonest class: what is above has learned nothing


def main(folder: str, out: str) -> None:
    tried: dict[tuple[int, str], dict[float, Runs]] = {}
    for run in finished_in(folder):
        settings = run.result["settings"]
        at = tried.setdefault((len(settings["stack.hidden"]), run.init), {})
        at.setdefault(settings["finetune.learning_rate"], {})[run.seed] = run
    places = sorted(tried, key=lambda place: (place[0], ORDER[place[1]]))
    chosen = {place: choice(tried[place]) for place in places}
    write_table(Path(out).with_suffix(".csv"), [row(*place, *chosen[place]) for place in places])
    for depth, arm in places:
        if arm == "random" and (depth, "sda") in chosen:
            pair = (chosen[depth, arm][1], chosen[depth, "sda"][1])
            print(f"{depth} layers: {contrast(*pair, ('random', 'sda'))}")
    save(draw({place: own for place, (_, own) in chosen.items()}), Path(out), "RGB")


def choice(rates: dict[float, Runs]) -> tuple[float, Runs]:
    """The rate with the lowest mean validation error over the seeds that all rates have."""
    shared = set.intersection(*(set(own) for own in rates.values()))
    if not shared:
        raise ValueError(f"the rates {', '.join(map(str, rates))} have no seed in common")
    rate = min(rates, key=lambda one: score({seed: rates[one][seed] for seed in shared}))
    return rate, dict(sorted(rates[rate].items()))


def row(depth: int, arm: str, rate: float, runs: Runs) -> dict[str, str]:
    """A line of the table; errors in percent."""
    errors = [100 * run.test_error for run in runs.values()]
    return {
        "layers": str(depth),
        "arm": arm,
        "rate": f"{rate:g}",
        "seeds": str(len(errors)),
        "test error": f"{statistics.mean(errors):.2f}",
        "sd": f"{statistics.stdev(errors):.2f}" if len(errors) > 1 else "",
        "lowest": f"{min(errors):.2f}",
        "highest": f"{max(errors):.2f}",
        "learned nothing": str(
            sum(run.test_error > LEARNED * chance(run) for run in runs.values())
        ),
        "test errors": " ".join(f"{seed}:{100 * run.test_error:.3f}" for seed, run in runs.items()),
    }


def chance(run: Trained) -> float:
    return float(run.result["chance_error"])


def draw(chosen: dict[tuple[int, str], Runs]) -> Figure:
    """A dot a seed on a scale of ratios, a bar at the median."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axis = figure.subplots()
    arms = list(dict.fromkeys(arm for _, arm in chosen))
    for beside, (arm, style) in zip((-0.14, 0.14), styles(arms).items(), strict=False):
        for depth in sorted(depth for depth, own in chosen if own == arm):
            errors = [100 * run.test_error for run in chosen[depth, arm].values()]
            across = [depth + beside + 0.05 * ((k % 5) - 2) / 2 for k in range(len(errors))]
            axis.plot(across, errors, "o", color=style["color"], ms=3, alpha=0.7, mew=0)
            middle = statistics.median(errors)
            bar = [depth + beside - 0.11, depth + beside + 0.11]
            axis.plot(bar, [middle, middle], color=style["color"], lw=2)
        axis.plot([], [], "o", color=style["color"], ms=4, label=arm)
    axis.set_yscale("log")
    axis.set_yticks([5, 10, 20, 50, 90], ["5", "10", "20", "50", "90"], minor=False)
    axis.set_yticks([], minor=True)
    axis.set_xticks(sorted({depth for depth, _ in chosen}))
    axis.set_xlabel("layers")
    axis.set_ylabel("test error, %; a dot a seed, bars: medians", fontsize=9)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "depth_spread.png")
