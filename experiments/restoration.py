"""Pictures restored by denoising autoencoders: noise, holes, colour, blur, and small codes.

    ./run -m experiment=restoration
    ./run experiments/restoration.py runs/restoration [OUT.png]

Restores, patch by patch, the right ends of two photographs, which no run has learned from. Beside
it the best linear map from damaged to clean patches (ridge regression on the training patches,
each damaged four times); beside codes of few units as many principal components. Writes
results/figures/restoration.png with the pictures, and beside it, as CSV, which it prints, the PSNR
of all in dB.
"""

import math
from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure
from torch import Tensor

import sda
from sda.common.rows import floats
from sda.data.generated.natural_patches import load_photographs, strip
from sda.runs.folder import RunFolder

HEIGHT = 200  # pixels of a picture, at most
SHOWN = 2  # photographs, at most


def main(folder: str, out: str) -> None:
    runs = stacks_by("vars.task", folder)
    first = next(iter(runs.values()))
    data = data_of(first)
    assert data.image_shape is not None
    side = data.image_shape[-1]
    x = floats(torch.from_numpy(data.train.x))
    where = RunFolder(first.path).config["data"]["photographs"]
    found = load_photographs(where, "RGB").images[:SHOWN]
    unseen = [picture(strip(one, "test"), side) for one in found]
    clean = torch.cat([tiles(one, side) for one in unseen])
    rows, views = [], {}
    for task, run in runs.items():
        made = restored(run, x, clean)
        rows.append(row(task, run, made, clean))
        if "code" not in task:
            views[task] = {"clean": clean, **made}
    write_table(Path(out).with_suffix(".csv"), rows)
    if views:
        told = {one["task"]: one for one in rows}
        save(draw(views, told, unseen, side), Path(out), "RGB")


def picture(levels: np.ndarray, side: int) -> Tensor:
    """A picture (3, h, w) in [0, 1], cut to whole patches."""
    h, w = (n // side * side for n in (min(levels.shape[0], HEIGHT), levels.shape[1]))
    return torch.from_numpy(levels[-h:, :w].transpose(2, 0, 1).copy()).float() / 255


def tiles(picture: Tensor, side: int) -> Tensor:
    """A picture cut into patches side by side, (n, 3 · side · side)."""
    c, h, w = picture.shape
    cut = picture.reshape(c, h // side, side, w // side, side).permute(1, 3, 0, 2, 4)
    return cut.reshape(-1, c * side * side)


def whole(patches: Tensor, like: Tensor, side: int) -> Tensor:
    """The picture of its tiles."""
    c, h, w = like.shape
    cut = patches.reshape(h // side, w // side, c, side, side).permute(2, 0, 3, 1, 4)
    return cut.reshape(c, h, w)


@torch.no_grad()
def restored(run: Pretrained, x: Tensor, clean: Tensor) -> dict[str, Tensor]:
    """The unseen patches damaged as in training, and restored in both ways."""
    layer = run.stack[0]
    damaged = layer.corruptions[0](clean, sda.stream(1, "unseen")).x
    if layer.n_hidden < x.shape[1]:
        beside = {"linear map": principal(x, layer.n_hidden, damaged)}
    else:
        beside = {"linear map": linear(x, layer.corruptions[0], damaged)}
    return {"damaged": damaged, **beside, "autoencoder": run.stack.reconstruct(damaged)}


def linear(x: Tensor, corruption: sda.Corruption, damaged: Tensor) -> Tensor:
    """What the best linear map from damaged patches x to clean ones makes of others."""
    generator = sda.stream(0, "linear")
    seen = torch.cat([corruption(x, generator).x for _ in range(4)])
    a = torch.cat([seen, torch.ones(len(seen), 1)], 1).double()
    ridge = a.T @ a + 1e-6 * len(seen) * torch.eye(a.shape[1]).double()
    w = torch.linalg.solve(ridge, a.T @ x.repeat(4, 1).double()).float()
    return torch.cat([damaged, torch.ones(len(damaged), 1)], 1) @ w


def principal(x: Tensor, k: int, given: Tensor) -> Tensor:
    """The projection of patches on the first k principal components of x."""
    mean = x.mean(0)
    _, _, v = torch.linalg.svd(x - mean, full_matrices=False)
    return (given - mean) @ v[:k].T @ v[:k] + mean


def row(task: str, run: Pretrained, made: dict[str, Tensor], clean: Tensor) -> dict[str, str]:
    told = {way: f"{psnr(patches, clean):.2f}" for way, patches in made.items()}
    return {"task": task.replace("_", " "), "units": str(run.stack[0].n_hidden), **told}


def psnr(made: Tensor, clean: Tensor) -> float:
    """In dB; infinite where nothing differs."""
    error = float((made.clamp(0, 1) - clean).square().mean())
    return -10 * math.log10(error) if error else math.inf


def draw(
    views: dict[str, dict[str, Tensor]],
    told: dict[str, dict[str, str]],
    unseen: list[Tensor],
    side: int,
) -> Figure:
    """The unseen pictures, damaged and restored, a line for each damage."""
    figure = Figure(figsize=(8.5, 2.3 * len(views)), layout="constrained")
    axes = figure.subplots(len(views), 4 * len(unseen), squeeze=False)
    for line, (task, own) in zip(axes, views.items(), strict=True):
        name = task.replace("_", " ")
        for column, (way, patches) in enumerate(own.items()):
            cut = patches.split([one[0].numel() // side**2 for one in unseen])
            for which, one in enumerate(unseen):
                axis = line[len(unseen) * column + which]
                made = whole(cut[which], one, side).clamp(0, 1)
                axis.imshow(made.permute(1, 2, 0).numpy())
                axis.set_axis_off()
            title = name if way == "clean" else f"{way} {told[name][way]} dB"
            line[len(unseen) * column].set_title(title, fontsize=8, loc="left")
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "restoration.png")
