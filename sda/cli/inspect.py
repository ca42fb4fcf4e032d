"""``--cfg`` and ``--info``: the composed configuration, and where its values come from."""

from argparse import Namespace

import hydra
from hydra.core.global_hydra import GlobalHydra

from sda.config import catalogue


def show(words: list[str], options: Namespace) -> None:
    """Print a configuration (--cfg job|hydra|all) or how it comes about (--info ...), in YAML.

    Args:
        words: that set something, and where files lie.
        options: ``cfg``, ``package``, ``resolve`` and ``info`` of the command line.
    """
    folder = str(catalogue.folder())
    with hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3"):
        shown = GlobalHydra.instance().hydra
        assert shown is not None
        if options.info:
            shown.show_info(options.info, "config", words)
        else:
            shown.show_cfg("config", words, options.cfg, options.package, options.resolve)
