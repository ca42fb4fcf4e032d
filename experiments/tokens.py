"""Letters that are masked, replaced, deleted or out of order, told by their neighbours.

    ./run -m experiment=tokens
    ./run experiments/tokens.py runs/tokens [OUT.png]

Each run restores windows of the test part of its text, which it has not seen, damaged by its own
noise. Prints how many of the letters that were hit are right before and after, with the half width
of a 95 % interval (letters taken as independent), and writes it as results/figures/tokens.csv and
tokens.png, some windows beside it. Of masked letters also how many are right by what is commonest:
the commonest letter, and the letter that stands most often between the two neighbours on each side,
with fewer neighbours where these were never seen.
"""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure
from torch import Tensor

import sda
from sda.analysis.styles import COLOURS
from sda.data.splits import Splits

CONTEXTS = ((2, 2), (1, 2), (2, 1), (1, 1), (0, 1), (1, 0), (0, 0))  # letters before and after
APART = 3  # letters from one test window to the next
WINDOWS = 3  # of each run, in the picture


def main(folder: str, out: str) -> None:
    runs = stacks_by("vars.noise", folder)
    data = data_of(next(iter(runs.values())))
    alphabet = letters_of(data)
    rows, shown = [], {}
    for name, run in runs.items():
        words, seen, hit, told = restored(run, data, len(alphabet))
        rows.append(row(name, "autoencoder", words, seen, hit, told))
        shown[name] = words, seen, hit, told
        if name == "masking":
            known = torch.from_numpy(data.train.x).reshape(-1, words.shape[1], len(alphabet))
            letters = running(known.argmax(-1))
            commonest = Counter(letters).most_common(1)[0][0]
            rows.append(row(name, "commonest letter", words, seen, hit, words * 0 + commonest))
            neighbours = by_neighbours(letters, hit, words)
            rows.append(row(name, "neighbours counted", words, seen, hit, neighbours))
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(rows, shown, alphabet), Path(out), "RGB")


def letters_of(data: Splits) -> str:
    """The letters of each place. Raises ValueError where the rows are no text."""
    columns = () if data.encoding is None else data.encoding.columns
    if len({one.categories for one in columns}) != 1 or columns[0].kind != "categorical":
        raise ValueError(f"{data.name} is no text (data=text)")
    return "".join(map(str, columns[0].categories))


@torch.no_grad()
def restored(run: Pretrained, data: Splits, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Letters of the test windows, of the damaged ones (-1: none), which were hit, what is told."""
    x = torch.from_numpy(data.test.x[::APART])
    damaged = run.stack[0].corruptions[0](x, sda.stream(1, "unseen"))
    places = (len(x), -1, n)
    seen = damaged.x.reshape(places)
    letters = torch.where(seen.any(-1), seen.argmax(-1), -1)
    told = run.stack.reconstruct(damaged.x).reshape(places).argmax(-1)
    return x.reshape(places).argmax(-1), letters, damaged.hit.reshape(places)[..., 0], told


def running(windows: Tensor) -> list[int]:
    """The text that windows, one a letter, were cut from."""
    return [*windows[:, 0].tolist(), *windows[-1, 1:].tolist()]


def by_neighbours(letters: list[int], masked: Tensor, words: Tensor) -> Tensor:
    """The letter that the text has most often between the same neighbours, for each masked one."""
    counts: dict[tuple[tuple[int, ...], ...], Counter[int]] = defaultdict(Counter)
    for k in range(2, len(letters) - 2):
        for before, after in CONTEXTS:
            key = (tuple(letters[k - before : k]), tuple(letters[k + 1 : k + 1 + after]))
            counts[key][letters[k]] += 1
    told = words.clone()
    for line, place in masked.nonzero().tolist():
        own = words[line].tolist()
        for before, after in CONTEXTS:
            span = slice(max(0, place - before), place + after + 1)
            if place < before or place + after >= len(own) or masked[line, span].sum() > 1:
                continue
            key = (tuple(own[place - before : place]), tuple(own[place + 1 : place + 1 + after]))
            if counts[key]:
                told[line, place] = counts[key].most_common(1)[0][0]
                break
    return told


def row(
    noise: str, way: str, words: Tensor, seen: Tensor, hit: Tensor, told: Tensor
) -> dict[str, str]:
    count = int(hit.sum())
    before, right = (float((one == words)[hit].double().mean()) for one in (seen, told))
    half = 1.96 * (right * (1 - right) / count) ** 0.5
    return {
        "noise": noise.replace("_", " "),
        "told by": way,
        "letters hit": str(count),
        "right before, %": f"{100 * before:.1f}",
        "right, %": f"{100 * right:.1f}",
        "95 % interval, ±": f"{100 * half:.1f}",
    }


def draw(rows: list[dict[str, str]], shown: dict[str, tuple[Tensor, ...]], alphabet: str) -> Figure:
    """Shares as bars; windows as they were, as they were seen, and as they were told."""
    figure = Figure(figsize=(10, 0.55 * len(shown) * (WINDOWS + 1) / 2 + 1), layout="constrained")
    bars, windows = figure.subplots(1, 2, width_ratios=(1, 1.7))
    names = [f"{one['noise']}: {one['told by']}" for one in rows]
    places = np.arange(len(rows))
    bars.barh(
        places,
        [float(one["right, %"]) for one in rows],
        xerr=[float(one["95 % interval, ±"]) for one in rows],
        color=[COLOURS[0] if one["told by"] == "autoencoder" else "0.7" for one in rows],
    )
    bars.set_yticks(places, names, fontsize=8)
    bars.invert_yaxis()
    bars.set_xlabel("right, % of the letters that were hit (95 %)", fontsize=9)
    windows.set_axis_off()
    windows.set_xlim(0, 3 * len(shown[next(iter(shown))][0][0]) + 8)
    line = 0
    for name, (words, seen, hit, told) in shown.items():
        windows.text(0, line, name.replace("_", " "), fontsize=8, fontweight="bold")
        for k in torch.linspace(0, len(words) - 1, WINDOWS).long().tolist():
            line += 1
            start = 0
            for which in (words, seen, told):
                for place, letter in enumerate(which[k].tolist()):
                    wrong = bool(hit[k, place]) and letter != int(words[k, place])
                    colour = COLOURS[1] if wrong else COLOURS[0] if hit[k, place] else "0.2"
                    text = "·" if letter < 0 else alphabet[letter]
                    windows.text(start + place, line, text, color=colour, family="monospace",
                                 fontsize=8)  # fmt: skip
                start += words.shape[1] + 3
        line += 1.5
    windows.set_ylim(line, -1)
    windows.set_title(
        "as written; as seen (· nothing); as told (blue: hit and right, orange: wrong)", fontsize=9
    )
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "tokens.png")
