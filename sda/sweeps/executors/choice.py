"""The executor that a configuration names; the engines are imported when they are asked for."""

from typing import Any

from sda.common import threads
from sda.config import schema
from sda.sweeps.executors.executor import Executor, Local

EACH = {"timeout_min": 240, "mem_gb": 4, "cpus_per_task": 1}  # a Slurm job, by default
MOST = 1000  # tasks in Slurm's queue, unless jobs says otherwise


def executor(plain: dict[str, Any]) -> Executor:
    """The executor of a sweep.

    Raises:
        ValueError: in one line: an engine is not installed, or not there.
    """
    asked, place = schema.executor(plain), plain["runs_folder"]
    options = asked.options or {}
    try:
        if asked.name == "dask":
            from sda.sweeps.executors.dask import Dask

            return Dask(asked.address, asked.cluster or "local", slots(plain), options, place)
        if asked.name == "slurm":
            from sda.sweeps.executors.slurm import Slurm

            most = MOST if isinstance(asked.jobs, str) else asked.jobs
            return Slurm(asked.cluster or "slurm", most, EACH | options, place)
    except ImportError as error:
        raise ValueError(
            f"executor={asked.name} needs {error.name}: pip install 'sda[{asked.name}]'"
        ) from None
    return Local(slots(plain), [f"cuda:{number}" for number in plain.get("devices") or ()])


def slots(plain: dict[str, Any]) -> int:
    """How many runs train side by side: as many as were asked for, or as the machine has room."""
    jobs = schema.executor(plain).jobs
    if not isinstance(jobs, str):
        return jobs
    if schema.device(plain.get("device", "cpu"), is_here=False).type != "cpu":
        return len(plain.get("devices") or "1")
    return max(1, threads.cores() // threads.threads(plain["threads"]))
