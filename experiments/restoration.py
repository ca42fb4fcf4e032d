"""Pictures restored by denoising autoencoders: noise, holes, colour, blur, and small codes.

    ./run experiments/restoration.py [--epochs 12] [--patches 4000] [--out OUT.png]

Learns on 8 x 8 patches of the left parts of scikit-learn's two colour photographs, one layer of 256
units for each kind of damage, and restores the right parts, which it has not seen, patch by patch.
Beside it the best linear map from damaged to clean patches (ridge regression on the same patches,
each damaged four times). Then codes of few units against as many principal components, of clean
patches and of noisy ones. Writes results/figures/restoration.png with the pictures, and beside it
restoration.csv with the PSNR of all in dB.
"""

import math
from pathlib import Path

import torch
from lib import script
from lib.figure import save, write_table
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

import sda

SIDE = 8
SHAPE = (3, SIDE, SIDE)
SIZES = (4, 16, 64)
HALF = 2.0  # values lie in [-2, 2]: of about unit deviation, as squared error likes them
RATE = 0.002
ON = {"image_shape": SHAPE}
DAMAGE = {
    "noise": sda.Gaussian(0.15 * 2 * HALF),
    "holes": sda.BlockMasking(4, 4, **ON),
    "pixels gone": sda.Masking(0.5),
    "no colour": sda.ColourDropping(**ON),
    "blur": sda.Blur(1.5, **ON),
    "quarter size": sda.DownSampling(4, **ON),
}


def photographs():
    """Left and right parts of both, (3, h, w) in [-2, 2], of half their size."""
    found = [load_sample_image(name)[::2, ::2] for name in ("china.jpg", "flower.jpg")]
    levels = [torch.from_numpy(p.transpose(2, 0, 1).copy()).float() / 255 for p in found]
    whole = [(2 * p - 1) * HALF for p in levels]
    cut = 28 * SIDE
    return [p[:, :208, :cut] for p in whole], [p[:, 48:208, cut : cut + 96] for p in whole]


def random_patches(pictures, n):
    """Patches from anywhere, (n, 192)."""
    generator, found = sda.stream(0, "patches"), []
    for _ in range(n):
        picture = pictures[int(torch.randint(len(pictures), (), generator=generator))]
        y, x = (
            int(torch.randint(side - SIDE + 1, (), generator=generator))
            for side in picture.shape[1:]
        )
        found.append(picture[:, y : y + SIDE, x : x + SIDE].flatten())
    return torch.stack(found)


def tiles(picture):
    """A picture cut into patches side by side, (n, 192)."""
    c, h, w = picture.shape
    cut = picture.reshape(c, h // SIDE, SIDE, w // SIDE, SIDE).permute(1, 3, 0, 2, 4)
    return cut.reshape(-1, math.prod(SHAPE))


def whole(patches, shape):
    """The picture of its tiles."""
    c, h, w = shape
    cut = patches.reshape(h // SIDE, w // SIDE, c, SIDE, SIDE).permute(2, 0, 3, 1, 4)
    return cut.reshape(shape)


def psnr(made, clean):
    """In dB; infinite where nothing differs."""
    error = float((made.clamp(-HALF, HALF) - clean).square().mean()) / (2 * HALF) ** 2
    return -10 * math.log10(error) if error else math.inf


def autoencoder(x, corruption, h, epochs):
    """Train one layer of h units on patches and return how it restores."""
    plan = sda.Layer(h, corruption, sda.SquaredError(), "relu", tied=False, initialisation="papers")
    stack = sda.StackedDenoisingAutoencoder.plan(x.shape[1], [plan], seed=0)
    sda.pretrain(stack, x, sda.Pretraining(epochs, RATE, 20, momentum=0.9), seed=0)
    return lambda rows: stack.reconstruct(rows).detach()


def linear(x, corruption):
    """The best linear map from damaged patches to clean ones."""
    generator = sda.stream(0, "linear")
    seen = torch.cat([corruption(x, generator).x for _ in range(4)])
    a = torch.cat([seen, torch.ones(len(seen), 1)], 1).double()
    ridge = a.T @ a + 1e-5 * len(seen) * torch.eye(a.shape[1]).double()
    w = torch.linalg.solve(ridge, a.T @ x.repeat(4, 1).double()).float()
    return lambda rows: torch.cat([rows, torch.ones(len(rows), 1)], 1) @ w


def principal(x, k):
    """Projection on the first k principal components."""
    mean = x.mean(0)
    _, _, v = torch.linalg.svd(x - mean, full_matrices=False)
    return lambda rows: (rows - mean) @ v[:k].T @ v[:k] + mean


def restored(x, unseen, epochs):
    """For each damage the views of the unseen pictures, and a row of PSNR."""
    for name, corruption in DAMAGE.items():
        ways = {
            "linear map": linear(x, corruption),
            "autoencoder": autoencoder(x, corruption, 256, epochs),
        }
        clean = torch.cat([tiles(p) for p in unseen])
        damaged = corruption(clean, sda.stream(1, "unseen")).x
        views = {"clean": clean, "damaged": damaged}
        views |= {way: restore(damaged) for way, restore in ways.items()}
        row = {"task": name, "code": 256}
        row |= {way: f"{psnr(v, clean):.2f}" for way, v in views.items() if way != "clean"}
        yield views, row


def compressed(x, unseen, epochs):
    """PSNR of codes of few numbers: of clean patches, and of noisy ones that come out clean."""
    clean = torch.cat([tiles(p) for p in unseen])
    for name, corruption in {
        "compress": sda.Masking(0.0),
        "compress noisy": DAMAGE["noise"],
    }.items():
        given = corruption(clean, sda.stream(1, "unseen")).x
        for k in SIZES:
            row = {"task": name, "code": k, "damaged": f"{psnr(given, clean):.2f}"}
            row["linear map"] = f"{psnr(principal(x, k)(given), clean):.2f}"
            row["autoencoder"] = f"{psnr(autoencoder(x, corruption, k, epochs)(given), clean):.2f}"
            yield row


def picture(views, rows, unseen):
    """Both unseen pictures, damaged and restored, a line for each damage."""
    figure = Figure(figsize=(8.5, 1.9 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 8)
    for line, (own, row) in enumerate(zip(views, rows, strict=True)):
        for column, (way, patches) in enumerate(own.items()):
            start = 0
            for which, one in enumerate(unseen):
                count = one[0].numel() // SIDE**2
                made = whole(patches[start : start + count], one.shape)
                start += count
                axis = axes[line, 2 * column + which]
                axis.imshow((made / HALF / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy())
                axis.set_axis_off()
            told = row["task"] if way == "clean" else f"{way} {row[way]} dB"
            axes[line, 2 * column].set_title(told, fontsize=8, loc="left")
    return figure


def main(epochs, count, out):
    seen, unseen = photographs()
    x = random_patches(seen, count)
    views, rows = zip(*restored(x, unseen, epochs), strict=True)
    small = list(compressed(x, unseen, epochs))
    write_table(Path(out).with_suffix(".csv"), [*rows, *small])
    print("linear map: of codes of few numbers, as many principal components")
    save(picture(views, rows, unseen), Path(out), "RGB")


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--patches", type=int, default=4000)
    parser.add_argument("--out", type=script.png, default=str(script.FIGURES / "restoration.png"))
    args = parser.parse_args()
    main(args.epochs, args.patches, args.out)
