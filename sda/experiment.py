"""One run: data -> stack -> pretrain -> fine-tune -> test, once."""

import dataclasses
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sda import checkpoint, finetuning, models, pretraining
from sda.autoencoder import Emphasis
from sda.classifier import Classifier
from sda.corruption import Masking
from sda.data.splits import Splits
from sda.descent import DivergenceError
from sda.finetuning import Finetuning
from sda.initialisation import Initialisation
from sda.interruption import Interrupted, Interruption
from sda.logbook import Logbook
from sda.pretraining import Pretraining
from sda.runfolder import RunFolder
from sda.showing import Show
from sda.stack import Layer, StackedDenoisingAutoencoder
from sda.terminal import ProgressLine

SAVE_EVERY = 20.0  # seconds between checkpoints within a layer


class Init(StrEnum):
    """The arm: where fine-tuning starts from. Read here and nowhere else.

    ``random``: the initial weights. ``saa``: weights pretrained without corruption (stacked
    autoassociators). ``sda``: weights pretrained with it. All three have the same initial weights
    and see the same minibatches.
    """

    random = "random"
    saa = "saa"
    sda = "sda"


@dataclass(frozen=True)
class Run:
    """One run, fully specified but for its data."""

    name: str
    init: Init
    seed: int
    layers: tuple[Layer, ...]
    pretraining: tuple[Pretraining, ...]  # one for each layer; unused by init=random
    finetuning: Finetuning
    initialisation: Initialisation  # of the softmax layer
    device: torch.device
    tensorboard: bool
    settings: dict[str, Any] = field(default_factory=dict)  # flat, as configured
    published: dict[str, Any] | None = None


@dataclass
class Standing:
    """Where a run stands: what a checkpoint holds."""

    classifier: Classifier
    layers: pretraining.Progress = field(default_factory=pretraining.Progress)
    network: finetuning.Progress = field(default_factory=finetuning.Progress)
    seconds: dict[str, float] = field(default_factory=lambda: {"pretrain": 0.0, "finetune": 0.0})

    def payload(self, metrics_size: int) -> dict[str, Any]:
        """Everything as tensors and plain types."""
        return {
            "weights": self.classifier.state_dict(),
            "layers": vars(self.layers),
            "network": vars(self.network),
            "seconds": self.seconds,
            "metrics_size": metrics_size,
        }

    def restore(self, payload: dict[str, Any]) -> None:
        """Go back to where a checkpoint was taken."""
        self.classifier.load_state_dict(payload["weights"])
        self.layers = pretraining.Progress(**payload["layers"])
        self.network = finetuning.Progress(**payload["network"])
        self.seconds = dict(payload["seconds"])


@dataclass
class Desk:
    """What a run works with besides its network: folder, logbook, signals, clock."""

    folder: RunFolder
    book: Logbook
    signals: Interruption
    saved: float = field(default_factory=time.monotonic)

    def after_epoch(self, standing: Standing, due: bool) -> None:
        """Save if it is due or long ago; leave if a signal asked for it.

        Raises:
            Interrupted: everything is saved.
        """
        asked = self.signals.requested
        if due or asked is not None or time.monotonic() - self.saved > SAVE_EVERY:
            payload = standing.payload(self.book.size())
            checkpoint.save(self.folder.path / "checkpoint", payload)
            self.saved = time.monotonic()
        if asked is not None:
            raise Interrupted(
                asked, f"interrupted and saved; go on with: resume {self.folder.path}"
            )


def run(plan: Run, splits: Splits, folder: RunFolder) -> dict[str, Any]:
    """Train one run in its open folder, from its checkpoint if it has one; return its result.

    Raises:
        DivergenceError, Interrupted: the result says so and where it stands; checkpoints are kept.
        CheckpointError: there are checkpoints and none can be read.
    """
    stack = StackedDenoisingAutoencoder.plan(splits.train.x.shape[1], arm(plan), plan.seed)
    classifier = Classifier(
        stack, splits.n_classes, seed=plan.seed, initialisation=plan.initialisation
    ).to(plan.device)
    standing = Standing(classifier)
    saved, warning = checkpoint.latest(folder.path / "checkpoint")
    if saved:
        standing.restore(saved)
    if warning:
        print(f"warning: {warning}", flush=True)
    book = Logbook(folder.path, saved["metrics_size"] if saved else 0, plan.tensorboard)
    folder.update_result(status="running", message=None)
    try:
        with Interruption() as signals:
            desk = Desk(folder, book, signals)
            _train(plan, splits, standing, desk)
            return _conclude(plan, splits, standing, desk)
    except DivergenceError as error:
        folder.update_result(status="diverged", message=str(error), seconds=standing.seconds)
        raise
    except Interrupted as error:
        folder.update_result(status="interrupted", message=str(error), seconds=standing.seconds)
        raise
    finally:
        book.close()


def arm(plan: Run) -> list[Layer]:
    """The layers that a run trains: for saa, the same without any corruption."""
    if plan.init is Init.sda:
        return list(plan.layers)
    clean = {"corruption": Masking(0.0), "emphasis": Emphasis()}
    return [dataclasses.replace(layer, **clean) for layer in plan.layers]  # type: ignore[arg-type]


def _train(plan: Run, splits: Splits, standing: Standing, desk: Desk) -> None:
    x, y = (torch.from_numpy(part).to(plan.device) for part in splits.train)
    valid_x, valid_y = (torch.from_numpy(part).to(plan.device) for part in splits.valid)
    show = Show(desk.book, standing.classifier.stack, valid_x, splits.image_shape)
    desk.book.settings(plan.settings, ("valid_error", "test_error"))
    if plan.init is not Init.random:
        _pretrain(plan, x, valid_x, standing, desk, show)
    _finetune(plan, (x, y), (valid_x, valid_y), standing, desk, show)


def _pretrain(
    plan: Run, x: Tensor, valid: Tensor, standing: Standing, desk: Desk, show: Show
) -> None:
    trials = [[layer.corruption] for layer in plan.layers]
    progress = standing.layers
    clock = time.monotonic()
    line = None
    for epoch in pretraining.pretraining_epochs(
        standing.classifier.stack, x, [plan.pretraining], [plan.seed], valid, trials, progress
    ):
        settings = plan.pretraining[epoch.depth]
        pretraining.check_finite(epoch, settings.learning_rate)
        if line is None or epoch.epoch == 0:
            line = ProgressLine(f"layer {epoch.depth}", settings.epochs, max(0, epoch.epoch - 1))
        clock = _note(desk, standing, "pretrain", clock, _pretraining_row(epoch))
        show.layer(epoch.depth, epoch.epoch, settings.epochs, trials[epoch.depth][0])
        line.show(epoch.epoch, _readable(epoch))
        if epoch.epoch == settings.epochs:
            line.end()
        desk.after_epoch(standing, due=epoch.epoch == 0 and epoch.depth > 0)
    desk.after_epoch(standing, due=line is not None)


def _finetune(
    plan: Run,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    standing: Standing,
    desk: Desk,
    show: Show,
) -> None:
    progress = standing.network
    line = ProgressLine("fine-tuning", plan.finetuning.epochs, progress.epoch)
    clock = time.monotonic()
    for epoch in finetuning.finetuning_epochs(
        standing.classifier, train, valid, [plan.finetuning], [plan.seed], progress
    ):
        finetuning.check_finite(epoch, plan.finetuning.learning_rate)
        row = {
            "phase": "finetune",
            "epoch": epoch.epoch,
            "loss": float(epoch.loss),
            "valid_error": float(epoch.valid_error),
            "valid_loss": float(epoch.valid_loss),
        }
        clock = _note(desk, standing, "finetune", clock, row)
        show.network(epoch.epoch, plan.finetuning.epochs)
        line.show(
            epoch.epoch,
            f"loss {row['loss']:.4f}  validation error {100 * epoch.valid_error:.2f} % "
            f"(best at epoch {int(epoch.best_epoch)})",
        )
        desk.after_epoch(standing, due=False)
    line.end()
    desk.after_epoch(standing, due=True)


def _note(desk: Desk, standing: Standing, phase: str, since: float, row: dict[str, Any]) -> float:
    """Write an epoch down and add its time to the phase's; return the time."""
    now = time.monotonic()
    standing.seconds[phase] += now - since
    desk.book.metrics(row)
    desk.book.times({key: row[key] for key in ("phase", "epoch")} | {"seconds": now - since})
    where = f"layer{row['layer']}" if "layer" in row else "finetune"
    values = {f"{phase}/{k}": v for k, v in row.items() if k not in ("phase", "layer", "epoch")}
    desk.book.scalars(where, row["epoch"], values)
    return time.monotonic()


def _pretraining_row(epoch: pretraining.Epoch) -> dict[str, Any]:
    values = {"loss": epoch.loss, "valid": epoch.valid, "valid_clean": epoch.valid_clean}
    values |= {f"baseline_{name}": value for name, value in epoch.baselines.items()}
    place = {"phase": "pretrain", "layer": epoch.depth, "epoch": epoch.epoch}
    return place | {name: None if v is None else float(v) for name, v in values.items()}


def _readable(epoch: pretraining.Epoch) -> str:
    parts = [] if epoch.loss is None else [f"loss {float(epoch.loss):.2f}"]
    if epoch.valid is not None and epoch.valid_clean is not None:
        parts.append(f"valid {float(epoch.valid):.2f} (clean {float(epoch.valid_clean):.2f})")
    return "  ".join(parts)


def _conclude(plan: Run, splits: Splits, standing: Standing, desk: Desk) -> dict[str, Any]:
    """Read the test set, for the first and only time, and write the result."""
    classifier = standing.classifier
    valid_x, valid_y = (torch.from_numpy(part).to(plan.device) for part in splits.valid)
    test_x = torch.from_numpy(splits.test.x).to(plan.device)
    predicted = classifier.predict(test_x).cpu().numpy()
    valid_error, _ = classifier.evaluate(valid_x, valid_y)
    stopped = standing.network.stopping
    best_epoch = int(stopped["best_epoch"])
    result = {
        "valid_error": float(valid_error),
        "test_error": float(np.mean(predicted != splits.test.y)),
        "n_valid": len(splits.valid.y),
        "n_test": len(splits.test.y),
        "best_epoch": best_epoch,
        "epochs": standing.network.epoch,
        "best_is_last": best_epoch == standing.network.epoch,
        "seconds": standing.seconds,
    }
    desk.book.outcome({key: value for key, value in result.items() if isinstance(value, float)})
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    show = Show(desk.book, classifier.stack, valid_x, splits.image_shape)
    show.codes(test_x, [names[k] for k in splits.test.y[:1000]])
    np.savez(desk.folder.path / "test_predictions.npz", y=splits.test.y, predicted=predicted)
    models.save(classifier.cpu(), desk.folder.path / "model.pt")
    desk.folder.update_result(status="finished", message=None, **result)
    return desk.folder.result
