"""Training of detectors on pages that are made on the device."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.dl.model import load_model
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.models.registry import TEXT_AXES_KIND
from deepocr_jax.train.loop import Outcome, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, make_page_task
from deepocr_jax.train.run import RunOptions, Task
from deepocr_jax.train.score_map_task import KIND, begin_score_maps, score_map_learner
from deepocr_jax.train.score_maps import ScoreMapOptions
from deepocr_jax.train.step import StepOptions
from deepocr_jax.train.synthetic_pages import synthetic_source
from deepocr_jax.train.text_axes import TextAxesOptions, begin_text_axes, text_axes_learner
from deepocr_jax.train.turning import TurningOptions, turning_learner, turning_source
from deepocr_jax.train.watchers import usual_watchers
from deepocr_jax.weights.model_cache import model_cache_dir


@dataclass(frozen=True)
class DetectorTrainingConfig:
    """A recipe; the defaults are the documented one.

    Attributes:
        model: Where training begins: a detector's name or folder. One of regions gives its
            backbone and neck, one by score maps all that it has.
        learns: "words": by score maps, where its words are; "turning": a detector of regions, to
            find on turned pages what it finds on upright ones, see `train.turning`; "axes": to
            tell along which axes a page reads, see `models.text_axes`.
        fonts: Folder or file of fonts; empty: those of installed packages.
        photos: File of photos without text, on which scenes stand, see tools/cut_photos.py;
            empty: all grounds are painted.
        height: Of the pages, in pixels, a multiple of 32.
        width: The same.
        characters_per_page: Most characters of a page.
        scenes: Share of pages that are scenes; the others are documents.
        pages_per_step: On each device.
        num_epochs: Epochs in all.
        steps_per_epoch: Steps between two evaluations.
        validation_pages: That an epoch is judged by, rounded up to whole steps.
        learning_rate: The largest, after warming up; it falls to zero by a cosine.
        warmup_steps: Steps over which it rises.
        weight_decay: Of kernels, apart from the gradient.
        average_decay: Of the moving average of the parameters, which is what is judged and kept.
        frozen: Prefixes of paths of parameters that stay, such as "LCNet_0/Stem_0".
        precision: "float32" or "bfloat16".
        seed: Of everything random.
        enable_display: Whether there is a progress bar.
    """

    model: str = "pretrained_deep_ocr_detection"
    learns: str = "words"
    fonts: str = ""
    photos: str = ""
    height: int = 512
    width: int = 512
    characters_per_page: int = 768
    scenes: float = 0.4
    pages_per_step: int = 16
    num_epochs: int = 60
    steps_per_epoch: int = 500
    validation_pages: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    weight_decay: float = 1e-4
    average_decay: float = 0.999
    frozen: tuple[str, ...] = ()
    precision: str = "float32"
    seed: int = 42
    enable_display: bool = True


def train_detector(config: DetectorTrainingConfig, workdir: str | os.PathLike[str]) -> Outcome:
    """Trains a detector, or goes on with a run that was cut off.

    Args:
        config: The recipe.
        workdir: Gets `best/`, `current/` and `final/` (the models), `tensorboard/`, and the
            run's states.

    Raises:
        ParameterValueError: A wrong value in the configuration.
        ModelFileError: The model cannot be had, or the folder belongs to another run.
        TrainingDivergedError: A loss is not finite.
    """
    folder = Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    enable_compilation_cache(model_cache_dir() / "xla")
    task = _task(config)
    with usual_watchers(folder, config.enable_display) as watcher:
        platform = jax.local_devices()[0].platform
        return train(task, _run_options(config), folder, watcher, compiler_options(platform))


def _task(config: DetectorTrainingConfig) -> Task:
    if config.learns not in ("words", "turning", "axes"):
        raise ParameterValueError(
            f'learns: expected "words", "turning" or "axes", got {config.learns!r}'
        )
    source = synthetic_source(
        config.pages_per_step,
        config.height,
        config.width,
        config.fonts,
        config.characters_per_page,
        config.scenes,
        config.photos,
        turned=config.learns != "turning",
    )
    if config.learns == "turning":
        model = load_model(config.model)
        learner = turning_learner(model, TurningOptions(precision=config.precision))
        # Its regions are phrases, which the words of synthetic pages do not judge.
        epoch = EpochOptions(config.steps_per_epoch, validation_calls=0)
        return make_page_task(learner, turning_source(source, model), epoch)
    if config.learns == "axes":
        model = _beginning(config, TEXT_AXES_KIND, begin_text_axes)
        learner = text_axes_learner(model, TextAxesOptions(precision=config.precision))
        epoch = EpochOptions(config.steps_per_epoch, validation_calls=0)
        return make_page_task(learner, source, epoch)
    model = _beginning(config, KIND, begin_score_maps)
    learner = score_map_learner(model, ScoreMapOptions(precision=config.precision))
    calls = -(-config.validation_pages // source.rows)
    return make_page_task(learner, source, EpochOptions(config.steps_per_epoch, calls))


def _beginning(
    config: DetectorTrainingConfig,
    kind: str,
    begin: Callable[[ModelCheckpoint, int], ModelCheckpoint],
) -> ModelCheckpoint:
    """A model of a kind: the one that training goes on from, or one that a detector begins."""
    model = load_model(config.model)
    if model.kind == kind:
        return model
    if model.kind != "ocr_detection":
        raise ParameterValueError(f"model: expected a detector, got a model of type {model.kind!r}")
    return begin(model, config.seed)


def _run_options(config: DetectorTrainingConfig) -> RunOptions:
    optimizer = OptimizerOptions(
        "adamw",
        config.learning_rate,
        weight_prior=config.weight_decay,
        gradient_clip=1.0,
        schedule="cosine",
        warmup_steps=config.warmup_steps,
    )
    return RunOptions(
        config.num_epochs,
        optimizer,
        StepOptions(config.average_decay),
        config.frozen,
        config.seed,
        serialize=("best", "current", "final"),
        save_interval_s=300.0,
    )
