"""sample FOLDER [key=value ...]: draw from what a run has learned, and write a picture.

From the run's layers as pretraining left them. Settings, with what they are otherwise:

  procedure=chain  the pseudo-Gibbs chain of one layer: corrupt, encode, decode, draw
            top    from the code of a row at the top, each layer down from the one above
            prior  from the prior of a variational layer at the top
  layer=1          whose chain it is
  start=valid      the first validation rows, or noise
  chains=10        rows to start from, a line of the picture each
  steps=200        of a chain
  every=10         steps of a chain from one sample in the picture to the next
  draws=20         with top and prior: of each row
  mixing=0         with top: steps of the top layer's chain before each draw
  seed=0           of all that is drawn
  out=FOLDER       where samples.png and samples.npz are written; the run's folder

Each step goes on from what was drawn; the picture shows means, as the papers' do. Its first column
is the row that a line started from.
"""

from pathlib import Path

import yaml

from sda.common import plain_yaml
from sda.common.program import program


def main(words: list[str]) -> int:
    """Draw samples of one run."""
    if not words or "=" in words[0]:
        raise ValueError(
            f"sample needs the folder of a run: {program()} sample runs/digits/init-sda_seed-0"
        )
    folder, settings = Path(words[0]), {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"sample takes one folder and key=value, got {word!r}")
        try:
            settings[key] = plain_yaml.read(value)
        except yaml.YAMLError:
            raise ValueError(f"the value of {word} cannot be read") from None
    out = Path(str(settings.pop("out", folder)))
    write(folder, settings, out)
    return 0


def write(folder: Path, settings: dict[str, object], out: Path) -> None:
    """Draw what is asked for into ``samples.png`` and ``samples.npz`` of a folder."""
    import numpy as np  # these take seconds; --help does not need them

    from sda.analysis import pictures
    from sda.config import validation
    from sda.experiment import samples

    asked = validation.made("", samples.Sampling, settings)
    found = samples.draw(folder, asked)
    out.mkdir(parents=True, exist_ok=True)
    lines = np.concatenate([found.start[:, None], found.drawn], 1)
    shown = lines.reshape(-1, lines.shape[-1])
    picture = pictures.examples(shown, found.image_shape, lines.shape[1], found.start)
    pictures.save_png(picture, out / "samples.png")
    np.savez_compressed(out / "samples.npz", start=found.start, drawn=found.drawn)
    count, kept, _ = found.drawn.shape
    print(f"{count} lines of {kept} samples each: {out / 'samples.png'}, {out / 'samples.npz'}")
