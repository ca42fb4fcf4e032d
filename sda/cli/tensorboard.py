"""tensorboard [FOLDER] [option ...]: look at runs, in a browser.

The folder is one of a run, or of many; without one it is runs. Options are TensorBoard's own:
--port 6007, --bind_all.
"""

from pathlib import Path

from sda.common.program import program

TICKED = 40  # runs that TensorBoard's page ticks by itself; it has no option for that


def main(words: list[str]) -> int:
    """Serve the runs in a folder until Ctrl-C."""
    named = bool(words) and not words[0].startswith("-")
    folder = Path(words[0] if named else "runs")
    if not folder.is_dir():
        raise ValueError(
            f"there is no folder {folder} with runs; give one: {program()} tensorboard FOLDER"
        )
    runs = {path.parent for path in folder.rglob("events.out.tfevents.*")}
    if not runs:
        raise ValueError(
            f"no run in {folder} has written events: tensorboard=true does (the default)"
        )
    import tensorboard.program  # takes a second

    server = tensorboard.program.TensorBoard()
    server.configure(argv=["tensorboard", "--logdir", str(folder), *words[named:]])
    print("all runs on the same axes: the page CUSTOM SCALARS, #custom_scalars in the address")
    if len(runs) > TICKED:
        print(f"of more than {TICKED} runs none is ticked there at first: press TOGGLE ALL RUNS")
    return int(server.main() or 0)
