"""The messages of the program's loggers, on its output or its error output."""

import logging
import os
import sys


class _Lines(logging.Handler):
    """Shows information on the output, the rest on that of errors."""

    def emit(self, record: logging.LogRecord) -> None:
        head = "warning: " if record.levelno == logging.WARNING else ""
        say(f"{head}{record.getMessage()}", error=record.levelno > logging.INFO)


def show_messages(least: int = logging.INFO) -> None:
    """Show the messages of this program's loggers from a level on. Call it once or again."""
    logger = logging.getLogger("sda")
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
    logger.setLevel(least)


def say(line: str, error: bool = False) -> None:
    """Write a line to the output, or to that of errors; who has stopped reading misses it.

    Work goes on where ``| head`` has read enough.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def reopen_closed() -> None:
    """Let what is written to a closed output vanish; Python has None in its place."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w")  # noqa: SIM115
            setattr(sys, name, stream)
            if stream.fileno() == number:
                os.set_inheritable(number, True)  # by processes that train


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, or hours:minutes:seconds."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
