"""The training loop: steps, epochs, evaluations, saved states. One for every task."""

import hashlib
import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from deepocr_jax.errors import ModelFileError, TrainingDivergedError
from deepocr_jax.train.checkpoints import load_newest, save_state
from deepocr_jax.train.optimizer import hyperparameters
from deepocr_jax.train.parameters import Tree, split_parameters
from deepocr_jax.train.run import (
    History,
    RunOptions,
    StepReport,
    Task,
    Watcher,
)
from deepocr_jax.train.state import TrainState, init_state, variables_of
from deepocr_jax.train.step import ParallelStep

STATES_DIR = "states"
# Metrics are fetched this many steps late, so that the device never waits for the host.
LAG = 2
LOSSES_KEPT = 200


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        variables: The network's at the end (their moving average, where one is kept).
        best: Those of the best evaluation, or of the end where nothing was evaluated; None where
            the best was found before the run was resumed: then it is in the work folder.
        history: What happened.
        finished: Whether all steps were done.
    """

    variables: Tree = field(repr=False)
    best: Tree | None = field(repr=False)
    history: History
    finished: bool


def train(
    task: Task,
    options: RunOptions,
    workdir: Path | None = None,
    watcher: Watcher | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Outcome:
    """Trains, from the beginning or from where a run in the same folder was cut off.

    Args:
        task: What is trained.
        options: How.
        workdir: Where states and models go; None: nothing is written.
        watcher: Is told what happens.
        compiler_options: Of XLA.

    Raises:
        TrainingDivergedError: A loss is not finite.
        ModelFileError: The work folder belongs to another run, or cannot be read.
        ParameterValueError: Options that do not go together.
    """
    run = _Run(task, options, workdir, watcher or Watcher(), dict(compiler_options or {}))
    return run.go()


class _Run:
    """One call of `train`: the state and what is open meanwhile."""

    def __init__(
        self,
        task: Task,
        options: RunOptions,
        workdir: Path | None,
        watcher: Watcher,
        compiler_options: dict[str, Any],
    ) -> None:
        self.task, self.options, self.watcher = task, options, watcher
        self.workdir = workdir if jax.process_index() == 0 else None
        self.total = options.num_epochs * task.steps_per_epoch
        trained, kept = split_parameters(task.params, options.frozen)
        averaged = options.step.average_decay > 0
        fresh = init_state(trained, task.batch_stats, options.optimizer, options.seed, averaged)
        self.fingerprint = _fingerprint(task, options)
        self.state, self.history = _resume(workdir, fresh, self.fingerprint)
        self.parallel = ParallelStep(task.losses, options.optimizer, options.step, compiler_options)
        # With several processes, `pmap` would delete the state's arrays before it has read them.
        self.state = self.parallel.replicate(self.state)
        self.kept = self.parallel.replicate({**kept, **task.constants})
        self.pending: deque[tuple[int, Any, Any]] = deque()
        self.best: Tree | None = None
        self.saved_at = self.ticked_at = time.monotonic()

    def go(self) -> Outcome:
        step = int(self.state.step)
        if step == 0 and self.options.evaluate_before_train:
            self._evaluate(0)
        batches = self.task.batches(step, self.total)
        finished = True
        try:
            for number in range(step, self.total):
                self._step(number, [next(batches) for _ in self.task.parts])
                if (number + 1) % self.task.steps_per_epoch == 0:
                    self._end_epoch((number + 1) // self.task.steps_per_epoch)
                elif time.monotonic() - self.saved_at > self.options.save_interval_s:
                    self._save()
                if number + 1 < self.total and _agreed(self.watcher.should_stop()):
                    self._save()
                    finished = False
                    break
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()
        variables = self._variables()
        if finished:
            self._finish(variables)
        best = variables if finished and self.task.evaluate is None else self.best
        return Outcome(variables, best, self.history, finished)

    def _step(self, number: int, batches: list[Mapping[str, Any]]) -> None:
        hyper = hyperparameters(self.options.optimizer, number, self.total)
        rest = {"kept": self.kept, "hyper": {k: np.float32(v) for k, v in hyper.items()}}
        parts = [
            (role, on_device(batch)) for role, batch in zip(self.task.parts, batches, strict=True)
        ]
        self.state, metrics = self.parallel(self.state, parts, rest)
        ids = np.concatenate([b["image_id"][b["mask"] > 0] for b in batches])
        rows = sum(len(b["mask"]) for b in batches)
        self.pending.append((number, (ids, hyper, rows), metrics))
        while len(self.pending) > LAG:
            self._fetch()

    def _fetch(self) -> None:
        """Takes the metrics of the oldest step that is still under way."""
        number, (ids, hyper, rows), metrics = self.pending.popleft()
        values = {name: float(value) for name, value in metrics.items()}
        loss = values["total_loss"]
        if not math.isfinite(loss):
            raise TrainingDivergedError(number, tuple(int(i) for i in ids))
        now = time.monotonic()
        elapsed, self.ticked_at = now - self.ticked_at, now
        self.history.time_s += elapsed
        self.history.loss_sum += loss
        self.history.loss_count += 1
        if number % max(1, self.total // LOSSES_KEPT) == 0:
            self.history.losses.append([number, loss])
        epoch = number // self.task.steps_per_epoch
        rate = rows * jax.process_count() / max(elapsed, 1e-9)
        self.watcher.on_step(StepReport(number, self.total, epoch, values, hyper, rate))

    def _drain(self) -> None:
        while self.pending:
            self._fetch()

    def _variables(self) -> Tree:
        self._drain()
        return variables_of(self.state, self.kept)

    def _end_epoch(self, epoch: int) -> None:
        """Closes an epoch (counted from 1): its mean loss, its evaluation, its models."""
        self._drain()
        history = self.history
        mean = history.loss_sum / max(1, history.loss_count)
        history.epochs.append({"epoch": epoch, "mean_loss": mean, "time": history.time_s})
        history.loss_sum, history.loss_count = 0.0, 0
        last = epoch == self.options.num_epochs
        if last or epoch % self.options.evaluation_interval_epochs == 0:
            self._evaluate(epoch)
        if "current" in self.options.serialize:
            self._write_model("current")
        if "epochs" in self.options.serialize:
            self._write_model(f"epochs/{epoch:04d}")
        self._save()
        self.watcher.on_epoch(history, epoch)
        self.ticked_at = time.monotonic()

    def _evaluate(self, epoch: int) -> None:
        if self.task.evaluate is None:
            return
        variables = self._variables()
        figures = {"epoch": epoch, **self.task.evaluate(variables)}
        self.history.evaluations.append(figures)
        if self.history.best is None or _score(figures) > _score(self.history.best):
            self.history.best = figures
            self.best = variables
            if "best" in self.options.serialize:
                self._write_model("best")

    def _write_model(self, name: str) -> None:
        if self.workdir is not None:
            self.task.save_model(self._variables(), self.workdir / name)

    def _save(self) -> None:
        self._drain()
        self.saved_at = time.monotonic()
        if self.workdir is not None:
            progress = {"fingerprint": self.fingerprint, "history": asdict(self.history)}
            save_state(self.workdir / STATES_DIR, self.state, progress)

    def _finish(self, variables: Tree) -> None:
        if self.workdir is None:
            return
        if "final" in self.options.serialize:
            self.task.save_model(variables, self.workdir / "final")
        if "best" in self.options.serialize and self.task.evaluate is None:
            self.task.save_model(variables, self.workdir / "best")


def on_device(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a loss takes of a batch: all but the ids, and each row's number among all."""
    size = len(batch["mask"])
    rows = np.arange(size, dtype=np.int32) + np.int32(size * jax.process_index())
    return {**{name: value for name, value in batch.items() if name != "image_id"}, "row": rows}


def _fingerprint(task: Task, options: RunOptions) -> str:
    """Of the task and of those options that decide on the parameters."""
    deciding = (options.num_epochs, options.optimizer, options.step, options.frozen, options.seed)
    digest = hashlib.sha256(repr(deciding).encode()).hexdigest()
    return f"{task.fingerprint} {digest}"


def _resume(
    workdir: Path | None, fresh: TrainState, fingerprint: str
) -> tuple[TrainState, History]:
    saved = load_newest(workdir / STATES_DIR, fresh) if workdir is not None else None
    if saved is None:
        return fresh, History()
    if saved.progress.get("fingerprint") != fingerprint:
        raise ModelFileError(
            f"{workdir} holds a run with other data, another beginning or other options; choose "
            "another work folder, or remove this one to begin again"
        )
    return saved.state, History(**saved.progress["history"])


def _score(figures: Mapping[str, Any]) -> tuple[float, float]:
    """Accuracy first (of a detection, the f-score); among equals the fewer wrong characters."""
    judged = figures["accuracy"] if "accuracy" in figures else figures["f_score"]
    return judged or 0.0, -(figures.get("character_error_rate") or 0.0)


def _agreed(stop: bool) -> bool:
    """Whether any process wants to stop: all must do so at the same step."""
    if jax.process_count() == 1:
        return stop
    return bool(np.any(multihost_utils.process_allgather(np.array([stop]))))
