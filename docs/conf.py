"""How the site is made of these pages: `./run docs` builds it in docs/_build/html."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

import sda  # the pages describe this checkout

SECTIONS = {
    "nn": "Networks: layers, corruptions, distributions",
    "training": "Training",
    "estimators": "Estimators for scikit-learn",
    "experiment": "Baselines",
    "data": "Data",
    "runs": "Models on disk",
    "common": "Random streams and errors",
}

project = "sda"
author = "the sda developers"
copyright = "the sda developers, MIT licence"
version = release = sda.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3  # links to sections, page.md#section, are checked too
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
nitpicky = False  # types of torch and numpy are named in docstrings, not linked

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_static_path = ["_static"]
html_css_files = ["wrap.css"]
html_theme = "furo"
html_title = f"sda {version}"
html_copy_source = False
html_show_sphinx = False


def add_names(app: Any, docname: str, source: list[str]) -> None:
    """End the page of the API with all public names, which ``import sda`` gives when asked."""
    if docname != "api":
        return
    things = {name: getattr(sda, name) for name in sda.__all__}
    for section, title in SECTIONS.items():
        source[0] += f"\n## {title}\n\n```{{eval-rst}}\n"
        for name, thing in things.items():
            if thing.__module__.split(".")[1] == section:
                kind = "class" if inspect.isclass(thing) else "function"
                members = "   :members:\n" if kind == "class" else ""
                source[0] += f".. auto{kind}:: sda.{name}\n{members}\n"
        source[0] += "```\n"


def plain_stars(*event: object) -> None:
    """Take the stars of docstrings for what they are, products and (*runs, n, d), outside code."""
    lines = cast(list[str], event[-1])
    for number, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [re.sub(r"[*|]", r"\\\g<0>", text) for text in parts[::2]]
        lines[number] = "``".join(parts)


def is_of_scikit_learn(*event: object) -> bool | None:
    """Leave out the methods that scikit-learn adds to every estimator: it documents them."""
    name = str(event[2])
    return True if name.endswith("_request") or name == "get_metadata_routing" else None


def setup(app: Any) -> None:
    """Sphinx asks this file what it adds."""
    app.connect("source-read", add_names)
    app.connect("autodoc-process-docstring", plain_stars)
    app.connect("autodoc-skip-member", is_of_scikit_learn)
