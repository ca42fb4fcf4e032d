"""Which command the first word names, and how errors are told."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sda.cli import campaign, compare, data, errors, hydra_app, report, resume, svm, train
from sda.common import terminal
from sda.common.errors import DivergenceError, of_memory
from sda.common.signals import Interrupted
from sda.config import compose

HELP = """\
Stacked denoising autoencoders: pretrain layer by layer, stack, fine-tune, compare.

  sda                                  the demonstration: three arms, several seeds, a table
  sda data=rect init=sda seed=3        one run; `key=value` changes any setting
  sda -m init=random,saa,sda seed='range(5)'       a sweep: all combinations, side by side
  sda experiment=vincent2008_basic init=sda        a paper's experiment
  sda resume FOLDER                    go on with an interrupted run
  sda compare FOLDER [FOLDER ...]      table, intervals and curves of finished runs
  sda svm data=rect kernel=rbf         support vector machine, C and gamma chosen on validation rows
  sda report FOLDER                    one HTML page of finished runs
  sda data list|fetch|make|show        the data sets
  sda campaign table1 campaign.hours=8 the papers' table, cell by cell; go on with the same words
  sda --cfg job [key=value ...]        print the configuration, train nothing
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 if it did what was asked."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.reopen_closed()
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        sys.exit(errors.explained(error))
    except (ValueError, DivergenceError) as error:
        sys.exit(f"error: {error}")
    except (MemoryError, RuntimeError) as error:
        line = of_memory(error)
        if line is None:
            raise
        sys.exit(f"error: {line}")
    except Interrupted as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; there is nobody to tell
        sys.exit(0)
    except OSError as error:
        sys.exit(f"error: {error}")
    sys.exit(status)


def _dispatch(words: list[str]) -> int:
    own_help = words[:1] in (["compare"], ["report"], ["data"])
    if not own_help and {"-h", "--help"} & {*words}:  # wherever it stands: somebody wants to read
        print(HELP + compose.choices())
        return 0
    match words:
        case []:
            return train.demonstrate()
        case ["compare", *rest]:
            return compare.main(rest)
        case ["report", *rest]:
            return report.main(rest)
        case ["resume", folder, *rest]:
            return resume.resume(Path(folder), rest)
        case ["svm", *rest]:
            return svm.main(rest)
        case ["data", *rest]:
            return data.main(rest)
        case ["campaign", *rest]:
            return campaign.main(rest)
    errors.refuse_stray(words[0])
    words = sorted(words, key=lambda word: word not in ("-m", "--multirun"))  # Hydra wants it first
    args = hydra_app.parsed(words)
    if args.multirun or hydra_app.asks_hydra(args):
        return train.sweep(words)
    return train.single(args.overrides, hydra_app.search_path(args.config_dir))
