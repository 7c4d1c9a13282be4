"""What trainings of DL models have in common, whatever the models are for."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, read_checkpoint
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.train_param import DLTrainParam
from deepocr_jax.dl.training_parameters import TrainingParameters
from deepocr_jax.errors import ModelFileError, ParameterValueError, TrainingDivergedError
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.train.loop import STATES_DIR, on_device, train
from deepocr_jax.train.optimizer import OptimizerOptions, hyperparameters
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.run import RunOptions, Task
from deepocr_jax.train.state import init_state, variables_of
from deepocr_jax.train.step import LossFunction, ParallelStep, StepOptions
from deepocr_jax.train.watchers import usual_watchers
from deepocr_jax.weights.model_cache import model_cache_dir

# Variables of a training -> the model with what it has learned.
Learned = Callable[[Tree], ModelCheckpoint]


class DLTrainOutcome(NamedTuple):
    """What `train_dl_model` gives.

    Attributes:
        train_results: The loss by step: [step, total loss], thinned out.
        train_infos: Of each epoch: `epoch` (from 1), `mean_loss`, `time` in seconds.
        evaluation_infos: Of each evaluation: `epoch` and the figures on the validation split.
        finished: False where the run was asked to stop; "resume" goes on with it.
    """

    train_results: list[list[float]]
    train_infos: list[dict[str, Any]]
    evaluation_infos: list[dict[str, Any]]
    finished: bool


def check_start(train_param: DLTrainParam, start_epoch: int | str) -> None:
    """Raises where a training can neither begin nor go on."""
    if start_epoch not in (0, "resume"):
        raise ParameterValueError(f'start_epoch: expected 0 or "resume", got {start_epoch!r}')
    workdir = _workdir(train_param)
    if start_epoch == 0 and workdir is not None and any((workdir / STATES_DIR).glob("*")):
        raise ModelFileError(
            f'{workdir} holds a run already; go on with it by start_epoch="resume", or choose '
            "another folder"
        )


def run_training(
    task: Task, model: DLModel, param: DLTrainParam, learned: Learned
) -> DLTrainOutcome:
    """Trains, and gives the model what it has learned.

    Args:
        task: What is trained.
        model: Gets the parameters of the best evaluation, or those of the end.
        param: How.
        learned: Variables -> the model.
    """
    enable_compilation_cache(model_cache_dir() / "xla")
    keep_programs(model_cache_dir() / "programs")
    workdir = _workdir(param)
    options = run_options(model.training, param, task.steps_per_epoch)
    with usual_watchers(workdir, param.enable_display) as watcher:
        platform = jax.local_devices()[0].platform
        outcome = train(task, options, workdir, watcher, compiler_options(platform))
    if outcome.best is None and workdir is not None and (workdir / "best").is_dir():
        model.checkpoint = read_checkpoint(workdir / "best")
    else:
        model.checkpoint = learned(outcome.best or outcome.variables)
    history = outcome.history
    return DLTrainOutcome(history.losses, history.epochs, history.evaluations, outcome.finished)


def _workdir(param: DLTrainParam) -> Path | None:
    return None if param.workdir is None else Path(param.workdir)


def optimizer_options(training: TrainingParameters) -> OptimizerOptions:
    """The optimizer of a model's training parameters, its learning rate constant."""
    return OptimizerOptions(
        solver_type=training.solver_type,
        learning_rate=training.learning_rate,
        momentum=training.momentum,
        weight_prior=training.weight_prior,
        adam_beta1=training.adam_beta1,
        adam_beta2=training.adam_beta2,
        adam_epsilon=training.adam_epsilon,
    )


def run_options(
    training: TrainingParameters, param: DLTrainParam, steps_per_epoch: int
) -> RunOptions:
    """The loop's options from those of a model and a training."""
    changes = [
        (epoch * steps_per_epoch, name, value)
        for name, epochs, values in param.change
        for epoch, value in zip(epochs, values, strict=True)
    ]
    optimizer = replace(
        optimizer_options(training),
        gradient_clip=param.gradient_clip,
        schedule=param.schedule,
        warmup_steps=round(param.warmup_share * param.num_epochs * steps_per_epoch),
        changes=tuple(changes),
    )
    return RunOptions(
        num_epochs=param.num_epochs,
        optimizer=optimizer,
        step=StepOptions(param.average_decay),
        frozen=param.frozen,
        seed=param.random_seed,
        evaluation_interval_epochs=param.evaluation_interval_epochs,
        evaluate_before_train=param.evaluate_before_train,
        serialize=param.serialize,
        save_interval_s=param.save_interval_s,
    )


class BatchSession:
    """What `train_dl_model_batch` keeps between its calls: the state and the compiled step."""

    def __init__(
        self, model: DLModel, role: str, loss: LossFunction, params: Tree, learned: Learned
    ) -> None:
        """Begins with a model.

        Args:
            model: The model.
            role: What the losses of a batch are called.
            loss: Of a batch.
            params: Of the network in training.
            learned: Variables -> the model.
        """
        self._training, self._checkpoint = model.training, model.checkpoint
        self._role, self._learned = role, learned
        self._optimizer = optimizer_options(model.training)
        platform = jax.local_devices()[0].platform
        self._parallel = ParallelStep(
            {role: loss}, self._optimizer, StepOptions(), compiler_options(platform)
        )
        stats = model.checkpoint.variables.get("batch_stats", {})
        self._state = init_state(params, stats, self._optimizer, 0, average=False)

    def fits(self, model: DLModel) -> bool:
        """Whether nothing about the model was changed by others."""
        return model.checkpoint is self._checkpoint and model.training == self._training

    def step(self, batch: Mapping[str, Any], model: DLModel) -> dict[str, float]:
        """One step on a batch; the model gets the new parameters.

        Raises:
            TrainingDivergedError: The loss is not finite.
        """
        hyper = hyperparameters(self._optimizer, 0, 1)
        rest = {"kept": {}, "hyper": {k: np.float32(v) for k, v in hyper.items()}}
        parts = [(self._role, on_device(batch))]
        self._state, metrics = self._parallel(self._state, parts, rest)
        result = {name: float(value) for name, value in metrics.items()}
        if not math.isfinite(result["total_loss"]):
            numbers = range(int(np.sum(batch["mask"] > 0)))
            raise TrainingDivergedError(int(self._state.step), tuple(numbers))
        model.checkpoint = self._checkpoint = self._learned(variables_of(self._state, {}))
        return result


def rows_of_batch(samples: int) -> int:
    """Rows of a batch of so many samples: they divide among the devices."""
    return -(-samples // jax.local_device_count()) * jax.local_device_count()
