"""Every corruption that comes with the program, on one picture: what a layer learns to undo.

    ./run experiments/corruptions.py [OUT.png]

Writes results/figures/corruptions.png: a digit or a part of a photograph (scikit-learn's), and four
draws of each. Sequences of letters are printed below, with a dot for a masked or empty place.
"""

from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save
from matplotlib.figure import Figure
from sklearn.datasets import load_digits, load_sample_image

import sda

DRAWS = 4
LETTERS = "abcdefghijklmnopqrstuvwxyz "
WORDS = "the same rows in every epoch"


def photograph():
    """A part of a flower, (3, 64, 64) in [0, 1]."""
    part = load_sample_image("flower.jpg")[150:278:2, 230:358:2]
    return torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1))).float() / 255


def digit():
    """A three, (8, 8) in [0, 1]."""
    return torch.from_numpy(load_digits().images[3]).float() / 16


def kinds():
    """Name, corruption, and whether it is for the photograph or for the digit."""
    pixels = {"image_shape": (3, 64, 64)}
    blocks = sda.Compose((sda.Blur(1.0, **pixels), sda.BlockMasking(16, 24, **pixels)))
    schedule = sda.Scheduled(sda.Masking(0.8), sda.Masking(0.1), DRAWS)
    return [
        ("Masking(0.25)", sda.Masking(0.25), False),
        ("SaltAndPepper(0.25)", sda.SaltAndPepper(0.25), False),
        ("Gaussian(0.2)", sda.Gaussian(0.2), False),
        ("Swap(0.25), digits", sda.Swap(0.25), False),
        ("Scheduled, epochs 1 to 4", schedule, False),
        ("BlockMasking(16, 24)", sda.BlockMasking(16, 24, **pixels), True),
        ("PatchShuffling(16, 0.5)", sda.PatchShuffling(16, 0.5, **pixels), True),
        ("ColourDropping(0.5)", sda.ColourDropping(0.5, **pixels), True),
        ("ColourDropping()", sda.ColourDropping(**pixels), True),
        ("Blur(2)", sda.Blur(2.0, **pixels), True),
        ("DownSampling(8)", sda.DownSampling(8, **pixels), True),
        ("Compose: Blur, BlockMasking", blocks, True),
    ]


def drawn(corruption, clean):
    """Draws (DRAWS, ...) of one picture; of a schedule one for each epoch."""
    generator = sda.stream(0, "gallery")
    if isinstance(corruption, sda.Swap):  # needs other rows
        rows = torch.from_numpy(load_digits().data[:DRAWS]).float() / 16
        return corruption(rows, generator).x.reshape(DRAWS, *clean.shape)
    made = [corruption.at(k + 1)(clean.reshape(1, -1), generator).x for k in range(DRAWS)]
    return torch.cat(made).reshape(DRAWS, *clean.shape)


def picture():
    every = kinds()
    figure = Figure(figsize=(9, 0.6 * len(every)), layout="constrained")
    axes = figure.subplots(len(every) // 2, 2 * (DRAWS + 1))
    for place, (name, corruption, in_colour) in enumerate(every):
        clean = photograph() if in_colour else digit()
        row, side = place % (len(every) // 2), place // (len(every) // 2)
        shown = [clean, *drawn(corruption, clean)]
        for axis, one in zip(axes[row, side * (DRAWS + 1) :], shown, strict=False):
            pixels = one.clamp(0, 1).numpy()
            axis.imshow(pixels.transpose(1, 2, 0) if in_colour else pixels, cmap="gray",
                        vmin=0, vmax=1, interpolation="nearest")  # fmt: skip
            axis.set_axis_off()
        axes[row, side * (DRAWS + 1)].set_title(name, fontsize=7, loc="left")
    return figure


def sequences():
    """Lines of letters as the corruptions of sequences leave them."""
    v = len(LETTERS)
    x = torch.eye(v)[[LETTERS.index(letter) for letter in WORDS]].reshape(1, -1)
    size = {"categories": v}
    noise = {
        "clean": sda.Masking(0.0),
        "Masking(0.25)": sda.Masking(0.25, columns=(v,) * len(WORDS)),
        "Replacement(0.25)": sda.Replacement(0.25, **size),
        "Deletion(0.25)": sda.Deletion(0.25, **size),
        "LocalShuffling(3)": sda.LocalShuffling(3, **size),
    }
    for name, corruption in noise.items():
        places = corruption(x, sda.stream(1, "gallery")).x.reshape(-1, v)
        told = [LETTERS[int(p.argmax())] if p.sum() else "." for p in places]
        yield f"{name:18} {''.join(told)}"


def main(out):
    save(picture(), Path(out), "RGB")
    print(*sequences(), sep="\n")


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument(
        "out", nargs="?", type=script.png, default=str(script.FIGURES / "corruptions.png")
    )
    main(parser.parse_args().out)
