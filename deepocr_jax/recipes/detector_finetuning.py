"""Fine-tuning of a detector on labelled pages, from a dataset's file to a model.

The kind of the model decides: one by score maps learns from boxes and texts, one of text regions
from boxes alone.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import write_checkpoint
from deepocr_jax.data.faults import find_faults, stop_or_drop
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_detection
from deepocr_jax.data.page_crops import PageCropOptions, PageCrops
from deepocr_jax.data.splits import check_splits, split_dl_dataset
from deepocr_jax.dl.evaluation import evaluate_dl_model
from deepocr_jax.dl.model import DLModel, load_model
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.recipes.calibration import calibrate
from deepocr_jax.train.learners import needs_characters, page_learner
from deepocr_jax.train.loop import Outcome, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, LabelledParts, make_page_task
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.step import StepOptions
from deepocr_jax.train.synthetic_pages import synthetic_source
from deepocr_jax.train.watchers import usual_watchers
from deepocr_jax.types import DLDataset
from deepocr_jax.weights.model_cache import model_cache_dir

ON_FAULTS = ("stop", "drop")
FIGURES = ("precision", "recall", "f_score")


@dataclass(frozen=True)
class DetectorFinetuneConfig:
    """A recipe; the defaults are the documented one.

    Attributes:
        dataset: Path of the dataset's JSON file: images with rotated boxes and, for a detector by
            score maps, their texts.
        model: Where training begins: a detector of either kind, a name or a folder.
        checked_only: Whether only images are taken whose words are all marked as checked.
        on_faults: "stop" or "drop" the samples that cannot be learned from.
        training_percent: Of the samples without a split; the others are tested on.
        num_steps: Steps.
        parts_per_step: Parts of labelled pages in a step, on each device.
        pages_per_step: Synthetic pages in a step, so that nothing else is forgotten; 0: none.
        side: Of both, in pixels.
        page_side: The longer side that a page is scaled to, as `detection_image_size` for reading.
        learning_rate: The largest; it falls to zero by a cosine.
        warmup_steps: Steps over which it rises.
        weight_decay: Of kernels, apart from the gradient.
        average_decay: Of the moving average of the parameters, which is what is kept.
        calibration_pages: Pages learned from by which its scores are fitted to the thresholds of
            reading, see `recipes.calibration`; 0: they stay as learned.
        frozen: Beginnings of the paths of parameters that stay.
        precision: "float32" or "bfloat16".
        seed: Of splits, parts and pages.
        show_progress: Whether a progress bar is shown.
    """

    dataset: str = ""
    model: str = "words_small_detection"
    checked_only: bool = False
    on_faults: str = "stop"
    training_percent: float = 67.0
    num_steps: int = 400
    parts_per_step: int = 3
    pages_per_step: int = 1
    side: int = 512
    page_side: int = 1024
    learning_rate: float = 2e-4
    warmup_steps: int = 20
    weight_decay: float = 1e-4
    average_decay: float = 0.98
    calibration_pages: int = 20
    frozen: tuple[str, ...] = ()
    precision: str = "float32"
    seed: int = 42
    show_progress: bool = True


@dataclass(frozen=True)
class DetectorFinetuneReport:
    """What came out.

    Attributes:
        before: Figures on the test split by the model at the beginning, for each overlap.
        after: The same of the retrained model.
        best: Folder of the retrained model.
        training: History of the training.
        text: All of it to be read by people.
    """

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    best: Path
    training: Outcome = field(repr=False)
    text: str = field(repr=False)


def finetune_detector(
    config: DetectorFinetuneConfig, workdir: str | os.PathLike[str]
) -> DetectorFinetuneReport | None:
    """Fine-tunes a detector and shows what it gained.

    A run that was cut off goes on with the next call for the same folder.

    Args:
        config: The recipe.
        workdir: Gets `best/` (the model), `report.md`, `report.json`, `tensorboard/` and the
            states of the run.

    Returns:
        The report; None where the run was told to stop before its end.

    Raises:
        DatasetError: Samples cannot be learned from and `on_faults` is "stop".
        ParameterValueError: A wrong value in the configuration.
    """
    folder = Path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    if config.on_faults not in ON_FAULTS:
        raise ParameterValueError(f"on_faults: expected {ON_FAULTS}, got {config.on_faults!r}")
    if not config.dataset:
        raise ParameterValueError("dataset: expected the path of a dataset's JSON file, got none")
    model = load_model(config.model, "ocr_detection")
    dataset = _sound_dataset(config)
    enable_compilation_cache(model_cache_dir() / "xla")
    before = _figures(dataset, DLModel(model))
    rows = config.parts_per_step * jax.local_device_count()
    options = PageCropOptions(config.side, config.page_side)
    crops = PageCrops(dataset, "train", options, config.seed, needs_characters(model))

    def labelled(start: int, stop: int) -> Iterator[Mapping[str, np.ndarray]]:
        return crops.batches(rows, start, stop)

    pages = config.pages_per_step
    source = synthetic_source(pages, config.side, config.side) if pages else None
    task = make_page_task(
        page_learner(model, config.precision, config.seed),
        source,
        EpochOptions(config.num_steps, validation_calls=0),
        LabelledParts(labelled, 1, f"{crops.told} {rows}"),
    )
    with usual_watchers(folder, config.show_progress) as watcher:
        platform = jax.local_devices()[0].platform
        outcome = train(task, _run_options(config), folder, watcher, compiler_options(platform))
    if not outcome.finished:
        return None
    best = folder / "best"
    learned = load_model(best, "ocr_detection")
    if config.calibration_pages:
        learned = calibrate(learned, dataset, config.calibration_pages)
        if jax.process_index() == 0:
            write_checkpoint(best, learned)
    after = _figures(dataset, DLModel(learned))
    return _write_report(folder, before, after, outcome)


def _sound_dataset(config: DetectorFinetuneConfig) -> DLDataset:
    """The dataset without faulty samples, split."""
    dataset, _ = read_dl_dataset_ocr_detection(config.dataset, checked_only=config.checked_only)
    faults = find_faults(dataset, method="ocr_detection", required_splits=())
    dataset = stop_or_drop(dataset, faults, config.on_faults, config.dataset)
    if all("split" in s for s in dataset["samples"]):
        return dataset
    dataset = split_dl_dataset(dataset, config.training_percent, 0, seed=config.seed)
    check_splits(dataset, ("train", "test"))
    return dataset


def _figures(dataset: DLDataset, model: DLModel) -> list[dict[str, Any]]:
    found = evaluate_dl_model(dataset, model, "split", "test", iou_threshold=(0.5, 0.7))
    return [
        {"iou_threshold": x["iou_threshold"], **{k: x[k] for k in FIGURES}}
        for x in found["thresholds"]
    ]


def _run_options(config: DetectorFinetuneConfig) -> RunOptions:
    optimizer = OptimizerOptions(
        "adamw",
        config.learning_rate,
        weight_prior=config.weight_decay,
        gradient_clip=1.0,
        schedule="cosine",
        warmup_steps=config.warmup_steps,
    )
    return RunOptions(
        1,
        optimizer,
        StepOptions(config.average_decay),
        config.frozen,
        config.seed,
        serialize=("best",),
        save_interval_s=120.0,
    )


def _percent(share: float | None) -> str:
    """A share to be read by people; there is no precision where nothing was found."""
    return "-" if share is None else f"{100 * share:.2f} %"


def _write_report(
    folder: Path,
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    outcome: Outcome,
) -> DetectorFinetuneReport:
    rows = ["| overlap | model | precision | recall | F1 |", "| --- | --- | --- | --- | --- |"]
    for old, new in zip(before, after, strict=True):
        for name, figures in (("before", old), ("retrained", new)):
            values = " | ".join(_percent(figures[k]) for k in FIGURES)
            rows.append(f"| {old['iou_threshold']} | {name} | {values} |")
    text = "# Words found on the test split\n\n" + "\n".join(rows)
    if jax.process_index() == 0:
        (folder / "report.md").write_text(text + "\n", encoding="utf-8")
        told: dict[str, Any] = {"before": before, "after": after, "losses": outcome.history.losses}
        (folder / "report.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return DetectorFinetuneReport(before, after, folder / "best", outcome, text)
