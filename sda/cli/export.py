"""export MODEL to=FILE: for other programs: .onnx, .pt2 (torch.export), or a folder as on a hub.

The .onnx takes raw cells, an input for each column, and is held against onnxruntime to 1e-5; it
needs pip install 'sda[onnx]'. A folder gets config.json, model.safetensors and a model card.
"""

from pathlib import Path

from sda.cli import apply
from sda.runs import export
from sda.runs.model import Model


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
    make = export.program if target.suffix == ".pt2" else export.hub
    make(model, target)
    print(target)
    return 0
