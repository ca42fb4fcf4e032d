"""One thread for every test, since bits depend on it; no cache but the tests' own."""

import logging
import os
import shutil
import sys

import own_parts
import pytest
import torch
from tiny_campaign import conf, done, tiny  # noqa: F401 - fixtures

from sda.common import trust

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """A cache of the session's own, and SDA_DATA hidden, from fixtures of a module too."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SDA_CACHE", str(tmp_path_factory.mktemp("cache")))
    folder = os.environ.get("SDA_DATA")
    patch.delenv("SDA_DATA", raising=False)
    yield folder
    patch.undo()


@pytest.fixture(autouse=True)
def data_where_asked_for(request, own_cache, monkeypatch):
    """Only the tests marked ``data`` see SDA_DATA: the others are the same with it and without."""
    if own_cache and request.node.get_closest_marker("data"):
        monkeypatch.setenv("SDA_DATA", own_cache)


@pytest.fixture(autouse=True)
def all_numbers():
    """A command run in this process turned denormal numbers off; Hypothesis draws them."""
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def all_words():
    """A command that was run in this process may have made the program silent."""
    logging.getLogger("sda").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def nobodys_parts(monkeypatch):
    """A module that a test trusts is trusted by that test alone, and by the processes it starts."""
    monkeypatch.setattr(trust, "_trusted", {})


@pytest.fixture(autouse=True)
def called_by_nobody(monkeypatch):
    """What the tests say of commands does not depend on how they were started."""
    monkeypatch.delenv("SDA_CALLED", raising=False)


@pytest.fixture
def somewhere(tmp_path, monkeypatch):
    """A command is given in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of a user's own, ``my_parts``, in the folder that a command is given in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copy(own_parts.__file__, tmp_path / "my_parts.py")
    yield tmp_path
    sys.modules.pop("my_parts", None)
