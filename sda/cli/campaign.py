"""campaign NAME campaign.hours=H [key=value ...]: a table of a paper, cell by cell."""

import sys

from sda.config import catalogue


def main(words: list[str]) -> int:
    """``campaign NAME campaign.hours=H [key=value ...]``.

    Returns 0 if all of it is done, 1 if runs failed, 3 if the hours are over or other processes
    train some of it.
    """
    if not words or "=" in words[0] or words[0].startswith("-"):
        known = sorted(path.stem for path in (catalogue.folder() / "campaign").glob("*.yaml"))
        raise ValueError(f"campaign needs a name: {', '.join(known)}")
    from sda.sweeps.campaign import campaign  # slow: it imports torch
    from sda.sweeps.campaign.run import folder_of, run

    plan = campaign.read(words[0], words[1:])
    enough, failed = run(plan)
    print(f"the runs are in {folder_of(plan)}")
    for line in failed:
        print(line, file=sys.stderr)
    return 3 if not enough else bool(failed)
