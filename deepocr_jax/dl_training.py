"""Training of DL models on datasets of one's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from deepocr_jax.batch_schedule import BatchOptions, make_encoder
from deepocr_jax.checkpoint import ModelCheckpoint, read_checkpoint
from deepocr_jax.data.mixtures import MixedSource
from deepocr_jax.data.plans import BatchPlan
from deepocr_jax.data.sources import ArraySource, DatasetSource
from deepocr_jax.data.streams import make_batch
from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.dl_model import DLModel
from deepocr_jax.dl_train_param import DLTrainParam
from deepocr_jax.errors import ModelFileError, ParameterValueError, TrainingDivergedError
from deepocr_jax.image import as_rgb
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.pretrained import model_cache_dir
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII
from deepocr_jax.train.loop import STATES_DIR, Outcome, on_device, train
from deepocr_jax.train.optimizer import OptimizerOptions, hyperparameters
from deepocr_jax.train.recognition import DATASET, RecognitionOptions, make_recognition_losses
from deepocr_jax.train.run import RunOptions, Task
from deepocr_jax.train.state import init_state, variables_of
from deepocr_jax.train.step import ParallelStep, StepOptions
from deepocr_jax.train.watchers import usual_watchers
from deepocr_jax.training import make_recognition_task, with_variables
from deepocr_jax.training_parameters import TrainingParameters
from deepocr_jax.types import CropSource, DLDataset

RENDERED_CROPS = 20_000


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


def train_dl_model(
    dataset: DLDataset,
    model: DLModel,
    train_param: DLTrainParam,
    start_epoch: int | str = 0,
    rehearsal: DLDataset | CropSource | None = None,
    synthetic: CropSource | None = None,
) -> DLTrainOutcome:
    """Trains a recognition model on the split "train" of a dataset.

    The model has then the parameters of the best evaluation on the split "validation", or, where
    there is no such split, those of the end.

    Args:
        dataset: A recognition dataset with splits, preprocessed or not.
        model: Of type "ocr_recognition"; its learning rate, batch size and so on are what
            `set_dl_model_param` made them.
        train_param: From `create_dl_train_param`.
        start_epoch: 0, or "resume" to go on with what `workdir` holds (from the beginning where it
            holds nothing).
        rehearsal: The old domain: a recognition dataset or a source of crops; None: text rendered
            with free fonts. Used where `rehearsal_share` is not 0.
        synthetic: Made crops that are learned from beside the dataset's, such as a
            `synth.displays.DisplaySource`; an epoch takes each once and the dataset's
            `repeats` times.

    Raises:
        ParameterValueError: Options that do not go together, or a model of another type.
        DatasetError: The dataset cannot be trained on; see `find_faults` for its samples.
        ModelFileError: `workdir` holds another run, or one that is not to be resumed.
        TrainingDivergedError: The loss is not finite any more.
    """
    if start_epoch not in (0, "resume"):
        raise ParameterValueError(f'start_epoch: expected 0 or "resume", got {start_epoch!r}')
    checkpoint = _recognizer_of(model)
    workdir = None if train_param.workdir is None else Path(train_param.workdir)
    if start_epoch == 0 and workdir is not None and any((workdir / STATES_DIR).glob("*")):
        raise ModelFileError(
            f'{workdir} holds a run already; go on with it by start_epoch="resume", or choose '
            "another folder"
        )
    width = model.training.image_width
    source: CropSource = DatasetSource(dataset, "train", width)
    if synthetic is not None:
        source = MixedSource(source, synthetic, train_param.repeats)
    has_validation = any(s.get("split") == "validation" for s in dataset["samples"])
    validation = DatasetSource(dataset, "validation", width) if has_validation else None
    batches = _batch_options(model, train_param)
    old = _rehearsal_source(rehearsal, checkpoint, batches) if batches.rehearsal_rows else None
    task = make_recognition_task(
        checkpoint,
        source,
        batches,
        _loss_options(model, train_param),
        validation,
        old,
        train_param.pretrained_share,
    )
    outcome = _run(
        task, run_options(model, train_param, task.steps_per_epoch), train_param, workdir
    )
    _take(model, outcome, workdir, train_param.pretrained_share)
    history = outcome.history
    return DLTrainOutcome(history.losses, history.epochs, history.evaluations, outcome.finished)


def _recognizer_of(model: DLModel) -> ModelCheckpoint:
    if model.checkpoint.kind != "ocr_recognition":
        raise ParameterValueError(
            f'expected a model of type "ocr_recognition", got {model.checkpoint.kind!r}'
        )
    return model.checkpoint


def _batch_options(model: DLModel, param: DLTrainParam) -> BatchOptions:
    t = model.training
    return BatchOptions(
        batch_size=t.batch_size,
        batch_size_multiplier=t.batch_size_multiplier,
        rehearsal_share=param.rehearsal_share,
        image_width=t.image_width,
        seed=param.random_seed,
        pipeline=param.pipeline,
        workers=param.workers,
    )


def _loss_options(model: DLModel, param: DLTrainParam) -> RecognitionOptions:
    rehearsed = param.rehearsal_share > 0
    return RecognitionOptions(
        augmentation=param.augment,
        precision=model.training.precision,
        update_batch_statistics=param.update_batch_statistics,
        batchnorm_momentum=model.training.batchnorm_momentum,
        rehearsal_weight=param.rehearsal_weight,
        distillation_weight=param.distillation_weight if rehearsed else 0.0,
    )


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


def run_options(model: DLModel, param: DLTrainParam, steps_per_epoch: int) -> RunOptions:
    """The loop's options from those of a model and a training."""
    t = model.training
    changes = [
        (epoch * steps_per_epoch, name, value)
        for name, epochs, values in param.change
        for epoch, value in zip(epochs, values, strict=True)
    ]
    optimizer = replace(
        optimizer_options(t),
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


def _rehearsal_source(
    rehearsal: DLDataset | CropSource | None, model: ModelCheckpoint, batches: BatchOptions
) -> CropSource:
    if rehearsal is None:
        known = set(model.alphabet)
        characters = [c for c in PRINTABLE_ASCII if c in known]
        return RenderedSource(
            RENDERED_CROPS, batches.seed, characters=characters, image_width=batches.image_width
        )
    if isinstance(rehearsal, Mapping):
        return DatasetSource(rehearsal, None, batches.image_width)
    return rehearsal


def _run(task: Task, options: RunOptions, param: DLTrainParam, workdir: Path | None) -> Outcome:
    enable_compilation_cache(model_cache_dir() / "xla")
    keep_programs(model_cache_dir() / "programs")
    with usual_watchers(workdir, param.enable_display) as watcher:
        platform = jax.local_devices()[0].platform
        return train(task, options, workdir, watcher, compiler_options(platform))


def _take(model: DLModel, outcome: Outcome, workdir: Path | None, share: float) -> None:
    """Gives the model what it has learned."""
    best = outcome.best
    if best is None and workdir is not None and (workdir / "best").is_dir():
        model.checkpoint = read_checkpoint(workdir / "best")
        return
    model.checkpoint = with_variables(model.checkpoint, best or outcome.variables, share)


def train_dl_model_batch(
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]], model: DLModel
) -> dict[str, float]:
    """One step of training on samples that the caller has chosen.

    The optimizer's memory stays with the model from call to call; setting one of its parameters
    starts it afresh.

    Args:
        samples: DLSamples with `image` (a word crop) and `word`.
        model: Of type "ocr_recognition"; it is changed.

    Returns:
        The DLTrainResult: `total_loss`, the mean loss of the samples in nats, and the further
        losses of the model.

    Raises:
        ParameterValueError: A sample without image or word, or a word outside the alphabet.
        DatasetError: A word that is too long for its image.
        TrainingDivergedError: The loss is not finite.
    """
    batch = [samples] if isinstance(samples, Mapping) else list(samples)
    for number, sample in enumerate(batch):
        if "image" not in sample or not isinstance(sample.get("word"), str):
            raise ParameterValueError(
                f"sample {number}: expected the keys image and word, got {sorted(sample)}"
            )
    _recognizer_of(model)
    if not batch:
        raise ParameterValueError("expected one sample at least, got none")
    session = model.session
    if not isinstance(session, _BatchSession) or not session.fits(model):
        session = model.session = _BatchSession(model)
    return session.step(batch, model)


class _BatchSession:
    """What `train_dl_model_batch` keeps between its calls: the state and the compiled step."""

    def __init__(self, model: DLModel) -> None:
        self.training, self.checkpoint = model.training, model.checkpoint
        spec = spec_from_dict(self.checkpoint.kind, self.checkpoint.spec)
        loss_options = RecognitionOptions(precision=model.training.precision)
        losses = make_recognition_losses(spec, self.checkpoint.preprocess, loss_options)
        self.optimizer = optimizer_options(model.training)
        platform = jax.local_devices()[0].platform
        self.parallel = ParallelStep(
            losses, self.optimizer, StepOptions(), compiler_options(platform)
        )
        variables = self.checkpoint.variables
        stats = variables.get("batch_stats", {})
        self.state = init_state(variables["params"], stats, self.optimizer, 0, average=False)
        self.encode = make_encoder(self.checkpoint.alphabet)

    def fits(self, model: DLModel) -> bool:
        """Whether nothing about the model was changed by others."""
        return model.checkpoint is self.checkpoint and model.training == self.training

    def step(self, samples: list[Mapping[str, Any]], model: DLModel) -> dict[str, float]:
        """One step; the model gets the new parameters."""
        width = self.training.image_width
        crops = [scale_crop(as_rgb(np.asarray(s["image"])), width) for s in samples]
        source = ArraySource(crops, [s["word"] for s in samples])
        rows = -(-len(crops) // jax.local_device_count()) * jax.local_device_count()
        plan = BatchPlan(source.widths, rows, image_width=width)
        batch = make_batch(plan.plan(0), source, self.encode)
        hyper = hyperparameters(self.optimizer, 0, 1)
        rest = {"kept": {}, "hyper": {k: np.float32(v) for k, v in hyper.items()}}
        parts = [(DATASET, on_device(batch))]
        self.state, metrics = self.parallel(self.state, parts, rest)
        result = {name: float(value) for name, value in metrics.items()}
        if not math.isfinite(result["total_loss"]):
            raise TrainingDivergedError(int(self.state.step), tuple(range(len(crops))))
        self.checkpoint = with_variables(self.checkpoint, variables_of(self.state, {}))
        model.checkpoint = self.checkpoint
        return result
