"""svm [key=value ...]: choose a support vector machine on validation rows and test it.

The settings are in conf/svm.yaml: data=rect kernel=linear|rbf|poly; codes_of=FOLDER layer=K for the
codes of a run.
"""

import logging

from sda.cli import options
from sda.common import trust
from sda.config import compose

_log = logging.getLogger(__name__)


def main(words: list[str]) -> int:
    """Choose and test one support vector machine."""
    args = options.parsed(trust.taken(words))
    if args.multirun:
        raise ValueError("svm does one machine at a time, got -m")
    words = options.without_launcher(args.overrides)
    search_path = options.search_path(args.config_dir)
    if args.cfg:
        print(compose.shown(words + search_path, "svm"), end="")
        return 0
    settings = compose.resolved(compose.compose(words + search_path, "svm"))
    _log.info("%s: support vector machine", settings["name"])
    from sda.cli import machine  # it imports torch and scikit-learn: say first what for

    machine.begin(settings, words)
    return 0
