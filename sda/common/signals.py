"""Ctrl-C, SIGTERM and SIGHUP as a request to stop after the epoch, not in the middle of a write."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

HANG_UP: int | None = getattr(signal, "SIGHUP", None)  # which Windows does not know


class Interrupted(BaseException):
    """The run was asked to stop, and did, with everything saved. Like KeyboardInterrupt, no error.

    ``code`` is the exit status that the shell expects: 128 + the signal's number.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.code = 128 + number


class Interruption:
    """While entered, the first signal is remembered; the second leaves at once.

    What was saved before stays good: checkpoints are replaced, never overwritten.

    Args:
        at_once: leave at the first signal; for where nothing is gained by going on.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, *([HANG_UP] if HANG_UP else []))

    def __init__(self, at_once: bool = False) -> None:
        self._at_once = at_once
        self.requested: int | None = None

    def __enter__(self) -> "Interruption":
        self._before = {
            number: signal.signal(number, self._note)
            for number in self.SIGNALS
            if number != HANG_UP or signal.getsignal(number) is not signal.SIG_IGN  # as nohup asks
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._at_once or self.requested is not None:
            raise Interrupted(number, "stopped at once; the last checkpoint is good")
        self.requested = number


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started meanwhile, and those that they start, do not get Ctrl-C.

    A terminal sends it to all; the command alone is to hear it, and passes it on once.
    """
    resource_tracker.ensure_running()  # which would unblock what is blocked here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
