"""How far a phase has come: a bar on a terminal or in a notebook, else one message at its end."""

import logging
import os
import sys
import threading
import time
from typing import Self

from tqdm import tqdm

from sda.common.terminal import clock

_BAR = "{desc} {n_fmt}/{total_fmt}{unit}s |{bar:12}| {elapsed}<{remaining}, {rate_fmt}{postfix}"
_log = logging.getLogger(__name__)

# Its own is shared with other processes, and to make one starts a process on macOS.
tqdm.set_lock(threading.RLock())


class Progress:
    """Shows phases, one after the other. Leave it to stop showing.

    Args:
        unit: what is counted.
        quiet: show nothing at all.
    """

    def __init__(self, unit: str = "epoch", quiet: bool = False) -> None:
        self._unit = unit
        self._quiet = quiet
        self._phase: str | None = None
        self._values = ""
        self._bar: tqdm | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
        else:
            self._close()

    def begin(self, phase: str, total: int, done: int = 0, beside: str = "") -> None:
        """Begin a phase; the one before has ended.

        Args:
            phase: "layer 1" or "fine-tuning".
            total: how many at most.
            done: how many before the first that is shown.
            beside: what the values can be read against.
        """
        self.end()
        self._phase, self._done = phase, done
        self._beside = f" ({beside})" if beside else ""
        self._start = time.monotonic()
        is_notebook = (
            "ipykernel" in sys.modules
        )  # what it writes to is no terminal, and has no width
        if not self._quiet and (is_notebook or _has_terminal()):
            self._bar = tqdm(
                desc=phase,
                total=total,
                initial=done,
                unit=f" {self._unit}",
                bar_format=_BAR,
                dynamic_ncols=not is_notebook,
                ncols=100 if is_notebook else None,
            )

    @property
    def has_begun(self) -> bool:
        """Whether there is a phase."""
        return self._phase is not None

    def show(self, done: int, values: str) -> None:
        """Show how many are done, and how good it is."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{values}{self._beside}", refresh=False)
            self._bar.update(done - self._done)
        self._done, self._values = done, values

    def end(self) -> None:
        """End the phase, if there is one."""
        if self._bar is None and self._values and not self._quiet:
            counted = f"{self._unit} {self._done}"
            took = clock(time.monotonic() - self._start)
            _log.info("%s: %s  %s  %s", self._phase, counted, self._values, took)
        self._close()
        self._phase, self._values = None, ""

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _has_terminal() -> bool:
    """Whether there is something to draw on; terminals of containers may have no width."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (AttributeError, OSError):  # AttributeError: there is no stderr
        return False
