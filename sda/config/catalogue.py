"""The configuration files: where they are, and what there is to choose."""

from pathlib import Path


def folder() -> Path:
    """Where the configuration files are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "conf", package.parent / "conf") if path.is_dir())


def choices(start: str) -> list[str]:
    """Words for the files with names that start so: ``data=rect`` for ``rect``."""
    groups = ("data", "baseline", "experiment")
    files = {group: (folder() / group).glob(f"{start}*.yaml") for group in groups}
    return [f"{group}={name}" for group in groups for name in sorted(p.stem for p in files[group])]


def listing() -> str:
    """The options of every config group, for a reader: the files that are there."""
    lines = ["\nChoices:"]
    groups = (path for path in folder().iterdir() if path.is_dir())
    for group in sorted(path for path in groups if path.name != "campaign"):
        options = sorted(path.stem for path in group.glob("*.yaml"))
        # A folder of many is named, not listed.
        options += sorted(f"{path.name}/..." for path in group.iterdir() if path.is_dir())
        if options:
            lines.append(f"  {group.name + '=':17}{' '.join(options)}")
    return "\n".join(lines)
