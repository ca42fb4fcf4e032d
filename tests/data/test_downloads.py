"""Downloads, tried against a server on the loopback address that misbehaves on request."""

import gc
import hashlib
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pooch.core
import pytest

from sda.cli import data
from sda.cli.data import main
from sda.data import downloads as module
from sda.data.cache import downloads_folder
from sda.data.downloads import Download, DownloadError, downloads, fetch

# requests leaves sockets of refused answers to the garbage collector, which warns at any time
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BODY = b"the published bytes" * 500
SUM = "sha1:" + hashlib.sha1(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers the n-th request as the n-th word of its plan says, the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.asked, self.end = ["good"], 0, threading.Event()

    def handle_error(self, request, client_address):
        """Stay silent: some clients hang up, as they should."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        what = server.plan[min(server.asked, len(server.plan) - 1)]
        server.asked += 1
        if what == "hang":
            server.end.wait(5)
            return
        if what.isdigit():
            self.send_error(int(what))
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"good": BODY, "short": BODY[:100], "wrong": BODY[::-1]}[what])

    def log_message(self, *args):
        """Stay silent."""


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.end.set()
    server.shutdown()
    server.server_close()
    thread.join()
    # Sockets that requests left open to a server that hung up are closed here, not in another test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def waits(tmp_path, monkeypatch):
    """Where downloads go, and the seconds that were waited between attempts, without waiting."""
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    waited = []
    monkeypatch.setattr(pooch.core.time, "sleep", waited.append)
    return waited


def wanted(server):
    return Download(f"http://127.0.0.1:{server.server_port}/", "toy.zip", SUM)


def files():
    folder = downloads_folder()
    return [file.name for file in folder.iterdir()] if folder.exists() else []


def test_a_good_file_is_fetched_once(server):
    assert fetch(wanted(server)).read_bytes() == BODY
    fetch(wanted(server))
    assert server.asked == 1
    assert files() == ["toy.zip"]


def test_a_server_that_recovers_is_asked_again_after_growing_waits(server, waits):
    server.plan = ["503", "503", "good"]
    assert fetch(wanted(server)).read_bytes() == BODY
    assert server.asked == 3
    assert len(waits) == 2
    assert waits[0] < waits[1]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("404", "404 Client Error"),
        ("503", "503 Server Error"),
        ("short", "IncompleteRead"),
        ("wrong", f"known hash: expected {SUM}"),
        ("hang", "timed out"),
    ],
)
def test_a_failure_is_told_in_one_line_and_leaves_nothing(server, monkeypatch, what, told):
    server.plan = [what]
    monkeypatch.setattr(module, "RETRIES", 1)
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with pytest.raises(DownloadError) as caught:
        fetch(wanted(server))
    message = str(caught.value)
    assert told in message
    assert wanted(server).base_url + "toy.zip" in message
    assert str(downloads_folder() / "toy.zip") in message
    assert "By hand" in message
    assert "\n" not in message
    assert server.asked == 2
    assert files() == []


def test_a_refused_connection_is_told_and_leaves_nothing():
    with pytest.raises(DownloadError, match=r"refused.*By hand"):
        fetch(Download("http://127.0.0.1:9/", "toy.zip", SUM))
    assert files() == []


def test_a_file_that_was_damaged_later_is_fetched_again(server):
    fetch(wanted(server)).write_bytes(b"damaged")
    assert fetch(wanted(server)).read_bytes() == BODY
    assert server.asked == 2


def test_a_damaged_file_stays_told_as_wrong_when_the_server_is_gone(server):
    path = fetch(wanted(server))
    path.write_bytes(b"damaged")
    server.plan = ["404"]
    with pytest.raises(DownloadError, match="404"):
        fetch(wanted(server))


def test_the_published_names_and_sums_are_asked_for():
    assert downloads("convex") == [
        Download(
            "http://www.iro.umontreal.ca/~lisa/icml2007data/",
            "convex.zip",
            "sha1:61eab3c60e0e1caeaa0b82abf827f1809cfd2ef9",
        )
    ]
    assert len(downloads("mnist")) == 4
    assert downloads("digits") == []


def test_the_command_goes_on_after_a_failure_and_ends_with_an_error(server, monkeypatch, capsys):
    def offered(name):
        file, checksum = ("toy.zip", SUM) if name == "rect" else ("none.zip", "sha1:00")
        return [Download(f"http://127.0.0.1:{server.server_port}/", file, checksum)]

    monkeypatch.setattr(data, "downloads", offered)
    monkeypatch.setattr(data, "SETS", {"basic": ("", 10), "rect": ("", 2)})
    monkeypatch.setattr(module, "RETRIES", 0)
    assert main(["fetch", "all"]) == 1
    out, err = capsys.readouterr()
    assert "toy.zip" in out
    assert err.startswith("basic: http://127.0.0.1")
    assert err.count("\n") == 1
    assert files() == ["toy.zip"]
