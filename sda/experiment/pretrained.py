"""Takes pretrained layers from the store and puts them there, so that none is trained twice."""

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from sda.runs import environment, results
from sda.runs.folder import RunFolder
from sda.runs.identity import digest
from sda.runs.layer_store import LayerStore, Stored

if TYPE_CHECKING:
    from sda.experiment.phases import State
    from sda.experiment.recorder import Recorder

_log = logging.getLogger(__name__)


class Layers:
    """The layers of a batch in the store. When it is left, others may train what is missing.

    ``take`` what is there; then, while training goes up the stack, ``begin`` each layer, which puts
    the one below it into the store, and ``end`` with the top one.
    """

    def __init__(self, recorder: "Recorder") -> None:
        self._state, self._recorder = recorder.state, recorder
        self._store = LayerStore(recorder.first.runs_folder / "layers")
        self._keys = keys(recorder.state)
        self._held: ExitStack | None = None  # the locks of the layers at ``_depth``
        self._depth = 0

    def __enter__(self) -> "Layers":
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def take(self) -> None:
        """Take the layers that are there, bottom to top, and keep others from training the next."""
        state = self._state
        while state.layers.depth < len(self._keys[0]):
            depth = state.layers.depth
            self._hold(depth)
            found = [self._store.take(own[depth]) for own in self._keys]
            whole = [layer for layer in found if layer is not None and self._fits(layer, depth)]
            if len(whole) < len(found):
                return
            self._use(depth, whole)
            _log.info("layer %d: pretrained already, taken from earlier runs", depth + 1)

    def _fits(self, layer: Stored, depth: int) -> bool:
        """Whether a stored layer has the weights that the layer of a depth has."""
        own = self._state.alone(0)[depth].state_dict()
        shapes = {name: weight.shape for name, weight in layer.weights.items()}
        return shapes == {name: weight.shape for name, weight in own.items()}

    def begin(self, depth: int) -> None:
        """Say that a layer is about to be trained: the one below it is done."""
        if self._held is not None and depth > self._depth:
            self._put(depth - 1)
            with self._held:  # until the next is held: whoever waits gets them in turn
                self._held = None
                self._hold(depth)

    def end(self) -> None:
        """Say that the top layer is done."""
        if self._held is not None:
            self._put(len(self._keys[0]) - 1)
            self._release()

    def _hold(self, depth: int) -> None:
        self._release()
        wanted = [own[depth] for own in self._keys]
        self._held, self._depth = self._store.hold(wanted, self._recorder.leave_if_asked), depth

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    @torch.no_grad()
    def _use(self, depth: int, found: list[Stored]) -> None:
        """Put stored layers in place of training, and repeat their epochs in the record."""
        state = self._state
        assert state.stack is not None
        for name, parameter in state.stack[depth].named_parameters():
            own = [layer.weights[name] for layer in found]
            parameter.copy_(torch.stack(own) if state.stack.runs else own[0])
        for k, layer in enumerate(found):
            stack = state.alone(k)
            for run in state.followers(k):
                for row, seconds in zip(layer.rows, layer.seconds, strict=True):
                    if row["epoch"] > state.layers.epoch:  # the others stand there already
                        self._recorder.row(run, row, seconds)
                last, trial = layer.rows[-1]["epoch"], state.plans[run].trials[depth]
                self._recorder.show.layer(run, stack, depth, last, trial)
        state.layers.depth, state.layers.epoch = depth + 1, -1
        state.layers.optimiser, state.layers.stopping, state.layers.remembered = {}, {}, {}

    def _put(self, depth: int) -> None:
        state = self._state
        for k, number in enumerate(state.pretrained):
            folders = [self._recorder.folders[run] for run in state.followers(k)]
            folder = next((one for one in folders if one is not None), None)
            if folder is not None and number not in state.failed:
                weights = state.alone(k)[depth].state_dict()
                self._store.put(self._keys[k][depth], Stored(weights, *_record(folder, depth)))


def keys(state: "State") -> list[list[str]]:
    """For each different pretraining, the key of each layer: what its bits depend on."""
    plans = [state.plans[number] for number in state.pretrained]
    here = environment.of(plans[0].device) if plans else {}
    revision = here.pop("revision", "")
    together = [[plan.seed, plan.pretraining_plan()] for plan in plans] if len(plans) > 1 else []
    found = []
    for plan in plans:
        key = digest([state.splits.digest(), plan.seed, here, together])
        own = []
        for layer, precision in zip(plan.pretraining_plan(), plan.precisions, strict=False):
            key = digest([key, layer, precision, revision])
            own.append(key)
        found.append(own)
    return found


def _record(folder: RunFolder, depth: int) -> tuple[list[dict[str, Any]], list[float]]:
    """The rows of a layer in a run's record, and how long each of its epochs took."""

    def own(row: dict[str, Any]) -> bool:
        return row.get("phase") == "pretrain" and row.get("layer") == depth + 1

    rows = [row for row in results.rows(folder.path / "metrics.jsonl") if own(row)]
    times = [row for row in results.rows(folder.path / "times.jsonl") if own(row)]
    seconds = {row["epoch"]: float(row["seconds"]) for row in times}
    return rows, [seconds.get(row["epoch"], 0.0) for row in rows]
