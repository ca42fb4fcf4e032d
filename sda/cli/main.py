"""Which command the first word names; its module is imported then, and no other."""

import ast
import importlib.util
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from sda import __version__
from sda.cli.options import COMMANDS, refuse_stray
from sda.common import terminal, trust
from sda.common.program import program, refuse_several, torchrun
from sda.common.signals import Interrupted
from sda.config.catalogue import listing

FILES = ("compare", "report", "data", "tensorboard")  # commands that make no parts of a run
HELP = """\
Stacked denoising autoencoders: pretrain layer by layer, stack, fine-tune, compare.

  sda                                  the demonstration: three arms, several seeds, a table
  sda data=rect init=sda seed=3        one run; `key=value` changes any setting
  sda -m init=random,saa,sda seed='range(5)'       a sweep: all combinations, side by side
  sda experiment=vincent2008_basic init=sda        a paper's experiment
  sda worth DATA minutes=20            is pretraining worth it? A plan, runs, a verdict
  sda resume FOLDER                    go on with an interrupted run
  sda compare FOLDER [FOLDER ...]      table, intervals and curves of finished runs
  sda data=rect baseline=svm_rbf       another classifier, its settings chosen on validation rows
  sda report FOLDER                    one HTML page of finished runs
  sda tensorboard [FOLDER]             what every layer learned, in a browser
  sda predict MODEL TABLE              a model on new rows: also encode, denoise, impute, score
  sda describe MODEL                   what a model is: its columns, classes, how it was trained
  sda sample FOLDER                    draw from what a run has learned, into a picture
  sda data list|fetch|make|show        the data sets
  sda campaign table1 campaign.hours=8 the papers' table, cell by cell; go on with the same words
  sda --cfg job [key=value ...]        print the configuration, train nothing
  sda COMMAND --help                   more of a command
  parts=[my_module]                    beside other words: `_target_` may name what is in my_module
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 if it did what was asked."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.reopen_closed()
    terminal.show_messages(logging.WARNING if torchrun()[0] else logging.INFO)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except Interrupted as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; there is nobody to tell
        sys.exit(0)
    except Exception as error:
        from sda.cli import errors

        told = errors.told(error)
        if told is None:  # a fault of the program
            raise
        sys.exit(told)
    sys.exit(status)


def _dispatch(words: list[str]) -> int:
    command = words[0] if words[:1] and words[0] in COMMANDS else "train"
    rest = words[1:] if command in COMMANDS else words
    if {"-h", "--help"} & {*rest} and command not in ("compare", "report", "data"):
        if command == "train":
            refuse_stray(words[0])
        print(_help(command))
        return 0
    if command not in ("train", "resume"):
        refuse_several()
    if words == ["--version"]:
        print(f"sda {__version__}")
        return 0
    if command not in FILES:
        rest = trust.taken(rest)
    module = importlib.import_module(f"sda.cli.{command}")
    return int(module.main(rest))


def _help(command: str) -> str:
    if command == "train":
        return HELP.replace("  sda", f"  {program()}") + listing()
    spec = importlib.util.find_spec(f"sda.cli.{command}")  # read, not imported: that takes a second
    assert spec is not None
    assert spec.origin is not None
    said = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8")))
    return f"{program()} {said or ''}".rstrip()
