"""export MODEL to=FILE: for other programs: .onnx, .pt2 (torch.export), or a folder as on a hub.

The .onnx takes raw cells, an input for each column; its answers are checked to 1e-5.
It needs pip install 'sda[onnx]'. A folder gets config.json, model.safetensors and a model card.
"""

import json
import shutil
from pathlib import Path

from sda.cli import apply, describe
from sda.nn.predictor import Predictor
from sda.runs import export, model_file
from sda.runs.model import Model

CARD = """\
---
library_name: sda
tags: [denoising-autoencoder, tabular]
---

# {name}: a stacked denoising autoencoder

{lines}

Vincent et al. (2008, 2010).

```sh
sda {task} model.safetensors new.csv
```
"""


def main(words: list[str]) -> int:
    """Export a model."""
    places, settings = apply.parsed("export", words, 1, to="")
    target = Path(settings["to"])
    if not settings["to"] or target.suffix not in (".onnx", ".pt2", ""):
        raise ValueError(f"export needs to=FILE.onnx, FILE.pt2 or a folder, got {settings['to']!r}")
    model = Model.load(places[0])
    if target.suffix == ".onnx":
        worst = export.onnx(model, target)
        print(f"{target}: differs from this program by at most {worst:.1e} over random rows")
        return 0
    make = export.program if target.suffix == ".pt2" else hub
    make(model, target)
    print(target)
    return 0


def hub(model: Model, folder: Path) -> None:
    """Write a folder in the style of a model hub: config.json, model.safetensors, README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    header, _ = model_file.read(model.path)
    (folder / "config.json").write_text(json.dumps(header, indent=1), encoding="utf-8")
    shutil.copyfile(model.path, folder / "model.safetensors")
    name, task = model.about.get("data", "model"), "encode"
    if isinstance(model.network, Predictor):
        task = "predict"
    _, *rest = "\n".join(describe.lines(model)).partition(": ")
    lines = "".join(rest).removeprefix(": ").replace("\n", "\n- ")
    card = CARD.format(name=name, lines=f"- {lines}", task=task)
    (folder / "README.md").write_text(card, encoding="utf-8")
