"""Published files over the network, on request only: whole and checked, or not there at all."""

import logging
from pathlib import Path
from typing import NamedTuple

import pooch
import requests

from sda.common.errors import DataError
from sda.data.cache import downloads_folder
from sda.data.mnist import FILES
from sda.data.sources import BASE_URL, PROBLEMS

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_MNIST_SHA256 = (  # of the gzipped files
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
RETRIES = 3  # after the first attempt; the n-th waits n seconds
TIMEOUT = 30.0  # seconds without an answer


class DownloadError(DataError):
    """A file could not be had; the message says from where, to where, and what to do by hand."""


class Download(NamedTuple):
    """One published file: where it is and the checksum it must have."""

    base_url: str
    file: str
    checksum: str  # algorithm:hexadecimal digits


def downloads(name: str) -> list[Download]:
    """List the published files of a data set; empty where there are none to fetch."""
    if name == "mnist":
        sums = zip(FILES, _MNIST_SHA256, strict=True)
        return [Download(MNIST_URL, f"{file}.gz", f"sha256:{sha256}") for file, sha256 in sums]
    problem = PROBLEMS.get(name)
    return [] if problem is None else [Download(BASE_URL, problem.archive, f"sha1:{problem.sha1}")]


def fetch(wanted: Download) -> Path:
    """Bring one file into the cache, unless it is there, whole; return its path.

    A file appears under its name only after its checksum was found right. Raises DownloadError.
    """
    pooch.get_logger().setLevel(logging.ERROR)
    folder = downloads_folder()
    keeper = pooch.create(
        path=folder,
        base_url=wanted.base_url,
        registry={wanted.file: wanted.checksum},
        retry_if_failed=RETRIES,
    )
    try:
        downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
        return Path(keeper.fetch(wanted.file, downloader=downloader))
    except (requests.exceptions.RequestException, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DownloadError(
            f"{wanted.base_url}{wanted.file} could not be fetched to {folder / wanted.file}: "
            f"{reason}. By hand: get this file elsewhere ({wanted.checksum}) and put it there, or "
            "into the folder named by SDA_DATA"
        ) from None
