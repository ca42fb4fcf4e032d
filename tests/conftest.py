"""One thread for every test, since bits depend on it; no cache but the tests' own."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("SDA_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def no_real_data_unasked(request, monkeypatch):
    """Where SDA_DATA is set, only the tests marked ``data`` see it: the others pass without."""
    if request.node.get_closest_marker("data") is None:
        monkeypatch.delenv("SDA_DATA", raising=False)


@pytest.fixture(autouse=True)
def all_numbers():
    """A command run in this process turned denormal numbers off; Hypothesis draws them."""
    torch.set_flush_denormal(False)
