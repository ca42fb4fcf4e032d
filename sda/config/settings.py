"""What can be set for one run of a network: the keys of conf/config.yaml."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from sda.common import checks, threads
from sda.nn.encoder import Activation, Initialisation
from sda.runs.identity import Init

PLANNING = ("search", "minutes")  # for campaigns; no setting of a run
BASELINE = ("baseline", "search_rows", "refit", "codes_of", "layer")  # no network reads them
MOST_MEMORY = 1e6  # GB


@dataclass(frozen=True)
class Stack:
    """The layers, bottom to top."""

    hidden: list[int] | None  # units of each, all of them dense
    activation: Activation
    tied: bool
    emphasis: dict[str, Any]
    initialisation: Initialisation
    layers: list[dict[str, Any]] | None = None  # nodes, of any kinds, in place of ``hidden``

    def __post_init__(self) -> None:
        if self.hidden and self.layers:
            raise ValueError(
                "layers and stack.hidden both list the layers: set the other one to null "
                f"(stack.hidden=null), got {self.hidden!r} and {self.layers!r}"
            )
        if not self.hidden and not self.layers:
            raise ValueError(f"hidden must list the units of each layer, got {self.hidden!r}")
        for units in self.hidden or ():
            checks.whole("hidden", units, 1)

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """What each layer is; ``hidden`` makes dense ones."""
        dense = [{"_target_": "sda.Layer", "n_hidden": units} for units in self.hidden or ()]
        return self.layers or dense


@dataclass(frozen=True)
class Executor:
    """Where the runs of a sweep are trained."""

    name: Literal["local", "dask", "slurm"]
    jobs: int | Literal["auto"]  # side by side
    address: str | None = None  # of a Dask scheduler that runs already
    cluster: Literal["local", "ssh", "slurm", "pbs", "lsf"] | None = None
    options: dict[str, Any] | None = None  # of the cluster

    def __post_init__(self) -> None:
        if self.jobs != "auto":
            checks.whole("jobs", self.jobs, 1)


@dataclass(frozen=True)
class Settings:
    """The keys at the root. A dict is checked where its part is built."""

    init: Init
    seed: int
    name: str | int
    runs_folder: str
    overwrite: bool
    threads: int | Literal["auto"]
    jobs: int | Literal["auto"]
    device: str
    precision: str
    tensorboard: bool
    codes_memory: float | Literal["auto"]
    data_folder: str | None
    published: dict[str, Any] | None
    minutes: float | None
    search: dict[str, Any] | None
    data: dict[str, Any]
    corruption: dict[str, Any]
    reconstruction: dict[str, Any]
    stack: Stack
    pretrain: dict[str, Any]
    finetune: dict[str, Any]
    executor: dict[str, Any]
    pretrained: str | None = None  # a run whose pretrained layers are taken
    test: bool = True  # false: the test rows are not read, as in the runs of a search
    baseline: dict[str, Any] | None = None
    search_rows: int | None = None
    refit: bool = False
    codes_of: str | None = None
    layer: int | None = None
    devices: list[int] | None = None  # GPUs of a sweep on this machine, by number
    vars: dict[str, Any] | None = None  # a file's own values, read as ${vars.NAME}

    def __post_init__(self) -> None:
        checks.whole("seed", self.seed, high=math.inf)
        threads.threads(self.threads)
        if self.codes_memory != "auto":
            checks.number("codes_memory", self.codes_memory, 0, MOST_MEMORY)
        if self.devices is not None and (self.device != "cuda" or not self.devices):
            raise ValueError(
                f"devices must be numbers of GPUs, beside device=cuda, got {self.devices} beside "
                f"device={self.device}"
            )
        if self.devices and self.executor.get("name", "local") != "local":
            raise ValueError("devices is for executor=local; other engines give a worker its GPU")
        check_published(self.published)


def check_published(node: dict[str, Any] | None) -> None:
    """Raise ValueError unless these are test errors by arm, fractions, and of how many rows."""
    if node is None:
        return
    errors = node.get("test_error")
    if not isinstance(errors, dict):
        raise ValueError(f"published.test_error must name figures by arm, got {errors!r}")
    for arm, error in errors.items():
        checks.number(f"published.test_error.{arm}", error, 0, 1)
    checks.whole("published.n_test", node.get("n_test"), 1)
