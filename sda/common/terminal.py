"""One line of progress per phase, rewritten in place; nothing where the output is no terminal."""

import os
import sys
import time


class ProgressLine:
    """Shows how far a phase is, its rate and the time left.

    Args:
        what: the phase, "layer 1" or "fine-tuning".
        total: epochs at most.
        done: epochs done before the first that is shown.
        beside: what the values can be read against.
        unit: what is counted.
    """

    def __init__(
        self, what: str, total: int, done: int = 0, beside: str = "", unit: str = "epoch"
    ) -> None:
        self._what = what
        self._unit = unit
        self._total = total
        self._first = done
        self._beside = f" ({beside})" if beside else ""
        self._start = time.monotonic()
        self._on = sys.stderr is not None and sys.stderr.isatty()

    def show(self, epoch: int, values: str) -> None:
        """Rewrite the line after an epoch."""
        if not self._on:
            return
        each = (time.monotonic() - self._start) / max(1, epoch - self._first)
        left = clock(each * (self._total - epoch))
        where = f"{self._what}  {self._unit} {epoch}/{self._total}"
        line = f"{where}  {values}{self._beside}  {each:.2f} s/{self._unit}  {left} left"
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the last line where it is."""
        if self._on:
            print(file=sys.stderr)


def reopen_closed() -> None:
    """Let what is written to a closed output vanish; Python has None in its place."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w")  # noqa: SIM115
            setattr(sys, name, stream)
            if stream.fileno() == number:
                os.set_inheritable(number, True)  # by processes that train


def say(line: str, error: bool = False) -> None:
    """Print a line to the output, or to that of errors; who has stopped reading misses it.

    Work goes on where ``| head`` has read enough.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, or hours:minutes:seconds."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
