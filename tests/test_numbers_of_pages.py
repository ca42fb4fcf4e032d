"""Every measured figure of a document is in a file of results, or the page says that none was kept.

A comment in a page, ``<!-- numbers: figures/units.csv -->``, says where the figures below it come
from, up to the next such comment or heading: files or folders in ``experiments/results``.
``definitions`` is for settings, formulas and what the papers say (``whole page``: of all of it),
``not kept`` for figures whose output was not kept, which the page must tell. ``line by line`` asks
that each row of a table is of one line of the file, ``counted`` that a table counts its lines.
After ``| also`` stand figures of other sources, such as a paper's beside ours.
"""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

COMMENT = re.compile(r"<!-- numbers: (.*?) -->", re.S)
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?: \d{3})*(?:\.\d+)?(?!\w*\.\d)")
UNIT = re.compile(  # of a number, or of the last of several: 2.2, 2.4 and 3 %
    r"((,|,? and|,? to|,? or)\s[-−+]?\d+(\.\d+)?)*"
    r"\s?(%|°|(nats|ms|µs|s|kB|MB|GB|dB|points?|times|microseconds|minutes|hours)\b)"
)
ELSE = re.compile(r"(19|20)\d\d|95(?= %)|3\.1[123]")  # years, the level of every interval, Pythons


class Scope(NamedTuple):
    """Text of a page, and where its figures are said to come from."""

    page: str
    sources: tuple[str, ...]
    also: tuple[str, ...]
    text: str

    @property
    def files(self):
        return [s for s in self.sources if "/" in s or "." in s or s.startswith("ledger")]


def prose(text):
    """A page without code, pictures, formulas and the targets of links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$", " ", text, flags=re.S)
    return re.sub(r"\]\([^)]*\)", "]", text)


def measured(text):
    """Figures as they stand: decimals, numbers with a unit, cells of tables but the first."""
    for match in NUMBER.finditer(text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        cell = line.startswith("|") and line.count("|") > 1
        unit = UNIT.match(text, match.end())
        other = (end := ELSE.match(text, match.start())) and end.end() == match.end()
        if not other and ("." in match[0] or unit or cell):
            yield match[0]


def scopes(path):
    text, found = prose(path.read_text("utf-8")), []
    whole = ("definitions",) if "<!-- numbers: definitions, whole page -->" in text else ()
    for section in re.split(r"^(?=#+ )", text, flags=re.M):
        first, *rest = COMMENT.split(section)
        found.append(Scope(path.name, whole, (), first))
        for said, below in zip(rest[::2], rest[1::2], strict=True):
            sources, _, also = said.partition("| also")
            named = tuple(s.strip() for s in sources.split(","))
            found.append(Scope(path.name, named, tuple(also.split()), below))
    return found


SCOPES = [scope for path in PAGES for scope in scopes(path)]
WITH_FILES = [
    pytest.param(scope, id=f"{scope.page}: {', '.join(scope.sources)}"[:70])
    for scope in SCOPES
    if scope.files and "counted" not in scope.sources
]


def value(shown):
    return abs(float(re.sub(r"[+−-]", "", shown).replace(" ", "")))


def within(shown, known):
    """Whether a figure is one of these, rounded to its digits; shares may be told in percent."""
    unit = 10.0 ** -len(shown.partition(".")[2])
    scaled = list(known) + [100 * n for n in known if n < 3]
    return any(abs(value(shown) - n) <= 0.51 * unit for n in scaled)


def lines(name):
    """The figures of each line of a file of results, or of the files of a folder."""
    folder, _, word = name.partition(":")
    path = RESULTS / folder
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        for line in file.read_text("utf-8").splitlines():
            if word in line:
                yield [abs(float(n)) for n in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", line)]


def test_every_measured_figure_of_a_page_has_a_source():
    without = [(s.page, figure) for s in SCOPES if not s.sources for figure in measured(s.text)]
    assert not without


@pytest.mark.parametrize("scope", WITH_FILES)
def test_the_figures_of_a_page_are_those_of_its_files(scope):
    known = [n for name in scope.files for line in lines(name) for n in line]
    shown = list(measured(scope.text))
    assert shown, "a source for nothing"
    assert [f for f in shown if not within(f, known) and f not in scope.also] == []
    assert [f for f in scope.also if f not in shown] == [], "also: not on the page"


@pytest.mark.parametrize("scope", [p for p in WITH_FILES if "line by line" in p.values[0].sources])
def test_a_row_of_a_table_is_of_one_line_of_its_file(scope):
    known = [line for name in scope.files for line in lines(name)]
    rows = [row for row in scope.text.splitlines() if row.startswith("|")][2:]
    assert rows
    for row in rows:
        shown = [f for f in measured(row) if f not in scope.also]
        assert any(all(within(f, line) for f in shown) for line in known), row


def test_the_table_of_kills_counts_the_lines_of_its_file():
    (scope,) = (scope for scope in SCOPES if "counted" in scope.sources)
    with (RESULTS / "kills.csv").open(encoding="utf-8") as file:
        kills = list(csv.DictReader(file))
    assert {kill["verdict"] for kill in kills} == {"PASS"}
    counts = Counter((kill["killed"], kill["engine"]) for kill in kills)
    told = ("command", "run", "fork server", "tracker", "worker", "job", "controller")
    rows = [row.split("|")[2:6] for row in scope.text.splitlines() if row.startswith("|")][2:]
    for killed, row in zip(told, rows, strict=True):
        for engine, cell in zip(("dask", "slurm", "local", "batched"), row, strict=True):
            assert int(cell.strip() or 0) == counts.pop((killed, engine), 0), (killed, engine)
    assert not counts
    assert f"{len(kills)} kills" in " ".join((ROOT / "docs" / "cluster.md").read_text().split())


def test_the_readmes_demonstration_is_the_one_whose_figures_are_kept():
    kept = json.loads((RESULTS / "figures" / "demo.json").read_text("utf-8"))["tables"][0]
    readme = (ROOT / "README.md").read_text("utf-8")
    for arm in kept["arms"]:
        names = ("valid_error_mean", "valid_error_sd", "test_error_mean", "test_error_sd")
        shown = " +".join(f"{100 * arm[name]:.2f}" for name in names)
        assert re.search(rf"^{arm['arm']} +{arm['seeds']} +{shown} ", readme, re.M), arm["arm"]
    for pair in kept["pairs"]:
        figures = (pair["mean"], pair["estimate_ci95"], pair["ci95"])
        mean, crossed, alone = (f"{100 * figure:.2f}" for figure in figures)
        shown = rf"{pair['first']} - {pair['second']} +5 +\+{mean} ±{crossed} +±{alone} "
        assert re.search(rf"^{shown}", readme, re.M), shown


def test_a_page_says_in_words_which_figures_have_no_file():
    for scope in SCOPES:
        if "not kept" in scope.sources:
            assert "not kept" in " ".join(scope.text.split()), f"{scope.page}: {scope.text[:200]}"


def test_a_figure_that_is_not_in_the_file_is_found():
    scope = Scope("", ("figures/units.csv",), (), "8.02 % and 8.03 %")
    known = [n for line in lines("figures/units.csv") for n in line]
    assert [f for f in measured(scope.text) if not within(f, known)] == ["8.03"]
