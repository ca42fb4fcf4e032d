"""`./run data list|make|show`, without and with the data folder."""

import os
import re

import pytest
from PIL import Image

from sda.cli import data
from sda.cli.data import SETS, main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))


def table(text):
    return {line.split()[0]: line for line in text.splitlines()[1 : 1 + len(SETS)]}


def test_list_names_every_set_with_its_source_and_touches_nothing(capsys, tmp_path):
    assert main(["list"]) == 0
    lines = table(capsys.readouterr().out)
    assert list(lines) == list(SETS)
    assert "no (needs mnist)" in lines["rot"]
    assert "regenerated" in lines["convex"]
    assert "embedded" in lines["digits"]
    assert not (tmp_path / "cache").exists()


def test_list_names_the_licence_of_every_set(capsys):
    main(["list"])
    told = capsys.readouterr().out.partition("Licences")[2]
    assert set(data.LICENCES) == set(SETS)
    assert all(
        re.search(rf"^{name} +{re.escape(licence)}$", told, re.M)
        for name, licence in data.LICENCES.items()
    )


def test_make_tells_what_is_missing_goes_on_and_ends_with_an_error(monkeypatch, capsys):
    monkeypatch.setattr(data, "SETS", {name: SETS[name] for name in ("basic", "digits")})
    assert main(["make", "all"]) == 1
    out, err = capsys.readouterr()
    assert re.search(r"^digits +1000 297 500 +embedded", out, re.MULTILINE)
    assert err.startswith("basic: files not found")
    assert err.count("\n") == 1


def test_list_shows_what_was_made(capsys):
    main(["make", "patches"])
    capsys.readouterr()
    main(["list"])
    assert table(capsys.readouterr().out)["patches"].split()[-1] == "regenerated"


def test_show_writes_a_montage_per_class_and_tells_the_statistics(capsys, tmp_path):
    assert main(["show", "digits", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "SHA-256" in out
    pictures = sorted((tmp_path / "out").iterdir())
    assert len(pictures) == 10
    with Image.open(pictures[0]) as picture:
        assert picture.size == (2 * (12 * 9 - 1), 2 * (5 * 9 - 1))


def test_several_names_are_several_sets_each_once(capsys):
    assert main(["make", "digits", "patches", "digits"]) == 0
    made = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert made == ["digits", "patches"]


def test_fetch_takes_several_names_and_no_folder(capsys):
    assert main(["fetch", "digits", "patches"]) == 0
    assert capsys.readouterr().out.count("nothing to fetch") == 2
    with pytest.raises(SystemExit):
        main(["fetch", "digits", "--folder", "elsewhere"])


def test_an_unknown_name_is_refused_with_the_choices(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["make", "rekt"])
    assert caught.value.code == 2
    assert "rot-bg-img" in capsys.readouterr().err


@pytest.mark.data
@pytest.mark.skipif("SDA_DATA" not in os.environ, reason="SDA_DATA is not set")
def test_with_the_data_folder_originals_are_listed(capsys):
    assert main(["list"]) == 0
    lines = table(capsys.readouterr().out)
    assert "original, converted" in lines["convex"]
    assert "reconstructed" in lines["basic"]
