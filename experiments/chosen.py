"""Test error of what validation chose, for every combination of some settings of a sweep.

    ./run experiments/chosen.py runs/depth_width stack.hidden

Of the finished runs of one data set and arm that agree in these settings, the candidate (of rates,
fractions, whatever else was tried) with the lowest mean validation error over seeds, of those with
the most seeds; no test error chooses. Prints a line for each and writes them to chosen.csv in the
folder, then says how far the other arms are from sda where they agree, with the paired interval.
"sd" is over seeds.
"""

from pathlib import Path

from lib import script
from lib.curves import best, contrast, figures, finished_in, place
from lib.figure import write_table

from sda.runs.results import Trained

Place = tuple[str, str, int, str]  # data set, settings, where its arm stands among arms, arm


def main(folder: str, settings: list[str]) -> None:
    groups: dict[Place, list[Trained]] = {}
    for run in finished_in(folder):
        read = run.result["settings"]
        for key in settings:
            if key not in read:
                raise ValueError(f"{run.path} has no setting {key}")
        data, order, arm = place(run)
        said = " ".join(f"{key}={_short(read[key])}" for key in settings)
        groups.setdefault((data, said, order, arm), []).append(run)
    shortest_first = sorted(groups, key=lambda key: (key[0], len(key[1]), *key[1:]))
    found = {key: best(groups[key]) for key in shortest_first}
    rows = [
        {"data set": data, "settings": said, "arm": arm}
        | figures(*found[data, said, order, arm], True)
        for data, said, order, arm in shortest_first
    ]
    write_table(Path(folder) / "chosen.csv", rows)
    by_place = {(data, said, arm): own for (data, said, _, arm), (_, own) in found.items()}
    for (data, said, arm), own in by_place.items():
        if arm != "sda" and (data, said, "sda") in by_place:
            names = (arm, "sda")
            print(f"{data}, {said}: {contrast(own, by_place[data, said, 'sda'], names)}")


def _short(value: object) -> str:
    """A value without what a class and a list need in a file."""
    return str(value).replace(" ", "").removeprefix("sda.nn.corruption.")


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("folder", help="with the runs")
    parser.add_argument("settings", nargs="+", help="that tell the lines apart, as stack.hidden")
    args = parser.parse_args()
    script.call(main, args.folder, args.settings)
