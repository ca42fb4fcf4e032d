"""The notebook runs from its first cell to its last."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "mixed_table.py"


@pytest.mark.slow
def test_the_notebook_goes_from_a_mixed_table_to_predictions_with_plots():
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    notebook = jupytext.read(NOTEBOOK)
    nbclient.NotebookClient(notebook, timeout=300).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    (said,) = (o.text for o in outputs if "right:" in o.get("text", ""))
    assert int(said.split("right:")[1].split("%")[0]) > 70
