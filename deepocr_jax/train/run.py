"""What a training run is made of, and what it tells: the seam between the loop and a task."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.step import LossFunction, StepOptions

Evaluation = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how it is judged.

    Attributes:
        losses: Of the network, by the role of a part of a step.
        parts: The roles of the parts of each step, in their order.
        params: All its parameters at the beginning.
        constants: Further subtrees of parameters that only the losses use; they stay.
        batch_stats: Its running statistics.
        batches: (first step, step after the last) -> this process's rows of each part of each
            step.
        steps_per_epoch: Steps that take every sample once.
        evaluate: Variables -> figures, "accuracy" or "f_score" among them; None: there is nothing
            to judge by.
        save_model: (variables, folder) writes a model that others can read.
        fingerprint: Of the data, the beginning and the options; a run goes on only under its own.
    """

    losses: Mapping[str, LossFunction] = field(repr=False)
    parts: tuple[str, ...]
    params: Tree = field(repr=False)
    constants: Tree = field(repr=False)
    batch_stats: Tree = field(repr=False)
    batches: Callable[[int, int], Iterator[Mapping[str, Any]]] = field(repr=False)
    steps_per_epoch: int
    evaluate: Callable[[Tree], Evaluation] | None = field(repr=False)
    save_model: Callable[[Tree, Path], None] = field(repr=False)
    fingerprint: str


@dataclass(frozen=True)
class RunOptions:
    """How long a run takes and what it keeps.

    Attributes:
        num_epochs: Epochs in all.
        optimizer: Its options.
        step: Options of the step.
        frozen: Prefixes of the paths of parameters that stay as they are.
        seed: Of everything random.
        evaluation_interval_epochs: Epochs between two evaluations; the last is always evaluated.
        evaluate_before_train: Whether the beginning is evaluated, too.
        serialize: Which models are written: of "best", "current", "epochs", "final".
        save_interval_s: Most seconds between two saved states; one is saved after each epoch.
    """

    num_epochs: int
    optimizer: OptimizerOptions = OptimizerOptions()
    step: StepOptions = StepOptions()
    frozen: tuple[str, ...] = ()
    seed: int = 42
    evaluation_interval_epochs: int = 1
    evaluate_before_train: bool = False
    serialize: tuple[str, ...] = ("best",)
    save_interval_s: float = 60.0


@dataclass
class History:
    """What a run tells, as JSON values.

    Attributes:
        epochs: {"epoch", "mean_loss", "time"} of each.
        evaluations: {"epoch", ...the figures} of each.
        best: The best evaluation so far.
        losses: [step, total loss] at most one a hundredth of the run.
        loss_sum: Sum of the losses of the running epoch.
        loss_count: How many they are.
        time_s: Seconds spent in training, over all its parts.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    losses: list[list[float]] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_count: int = 0
    time_s: float = 0.0


@dataclass(frozen=True)
class StepReport:
    """One step, for those who watch."""

    step: int
    total_steps: int
    epoch: int
    metrics: dict[str, float]
    hyper: dict[str, float]
    rows_per_s: float


@dataclass(frozen=True)
class Watcher:
    """Functions that are called while training runs; they change nothing.

    Attributes:
        on_step: After each step.
        on_epoch: (history, epoch) after each epoch and its evaluation.
        should_stop: Asked after each step; True saves the state and ends the run.
    """

    on_step: Callable[[StepReport], None] = lambda report: None
    on_epoch: Callable[[History, int], None] = lambda history, epoch: None
    should_stop: Callable[[], bool] = lambda: False
