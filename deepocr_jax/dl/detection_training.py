"""Training of detectors, of either kind, on datasets of one's own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, write_checkpoint
from deepocr_jax.data.classes import WORD
from deepocr_jax.data.page_augmentation import page_options
from deepocr_jax.data.page_crops import PageCrops, check_page, page_cells
from deepocr_jax.dl.evaluation import evaluate_dl_model
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.recognition_task import with_variables
from deepocr_jax.dl.train_param import PAGE_AUGMENTATION, DLTrainParam
from deepocr_jax.dl.training_run import (
    BatchSession,
    DLTrainOutcome,
    rows_of_batch,
    run_training,
)
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.image import as_rgb
from deepocr_jax.train.learners import needs_characters, page_learner
from deepocr_jax.train.page_task import (
    EpochOptions,
    LabelledParts,
    PageLearner,
    make_page_task,
    own_parameters,
)
from deepocr_jax.train.pages import LABELLED, PageSource
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.synthetic_pages import synthetic_source
from deepocr_jax.types import CropSource, DLDataset

FIGURES = ("precision", "recall", "f_score")
# Sides of a canvas are multiples of this, and room for cells is made by so many.
SIDE_STEP, ROOM_STEP = 32, 256


def train_detection(
    dataset: DLDataset,
    model: DLModel,
    param: DLTrainParam,
    rehearsal: DLDataset | CropSource | PageSource | None = None,
) -> DLTrainOutcome:
    """Trains a detector; see `train_dl_model`."""
    learner = page_learner(model.checkpoint, model.training.precision, param.random_seed)
    changes = PAGE_AUGMENTATION if param.augment is None else param.augment
    options = page_options(changes, param.part_side, param.page_side)
    turns = model.training.batch_size_multiplier
    by_character = needs_characters(model.checkpoint)
    crops = PageCrops(dataset, "train", options, param.random_seed, by_character)
    old_rows = round(model.training.batch_size * param.rehearsal_share)
    rows = model.training.batch_size - old_rows
    if rows < 1:
        raise ParameterValueError(
            f"rehearsal_share {param.rehearsal_share} leaves none of {old_rows} rows to the dataset"
        )
    source, streams = None, [(crops, rows)]
    if old_rows and isinstance(rehearsal, Mapping):
        pages = cast(DLDataset, rehearsal)
        old = PageCrops(pages, None, options, param.random_seed, by_character)
        streams.append((old, old_rows))
    elif old_rows:
        source = _page_source(rehearsal, old_rows, options.side)
    steps = -(-len(crops) // (rows * turns))
    epoch = EpochOptions(steps, validation_calls=0)
    task = make_page_task(learner, source, epoch, _labelled_parts(streams, turns), turns)

    def learned(variables: Tree) -> ModelCheckpoint:
        return _learned(learner, variables, param.pretrained_share)

    def evaluate(variables: Tree) -> dict[str, Any]:
        judged = DLModel(learned(variables), model.training)
        figures = evaluate_dl_model(dataset, judged, "split", "validation")
        return {name: figures[name] for name in FIGURES}

    has_validation = any(s.get("split") == "validation" for s in dataset["samples"])
    task = replace(
        task,
        evaluate=evaluate if has_validation else None,
        save_model=lambda variables, folder: write_checkpoint(folder, learned(variables)),
        fingerprint=f"{task.fingerprint} {param.pretrained_share}",
    )
    return run_training(task, model, param, learned)


def _labelled_parts(streams: list[tuple[PageCrops, int]], turns: int) -> LabelledParts:
    """Parts of pages, so many rows of each in every turn of a step."""

    def stream(start: int, stop: int) -> Iterator[Mapping[str, np.ndarray]]:
        numbers = (start * turns, stop * turns)
        for batches in zip(*(x.batches(rows, *numbers) for x, rows in streams), strict=True):
            yield from batches

    told = repr([turns, *((crops.told, rows) for crops, rows in streams)])
    return LabelledParts(stream, len(streams), told)


def _page_source(rehearsal: Any, rows: int, side: int) -> PageSource:
    """Pages that are made on the device, so many of them on all devices together."""
    devices = jax.local_device_count()
    if rows % devices:
        raise ParameterValueError(
            f"{rows} pages of rehearsal do not divide among {devices} devices; choose another "
            "batch_size or rehearsal_share"
        )
    if rehearsal is None:
        return synthetic_source(rows // devices, side, side)
    if not isinstance(rehearsal, PageSource):
        raise ParameterValueError(
            "rehearsal: expected a detection dataset or a source of pages for a detector, got "
            f"{type(rehearsal).__name__}"
        )
    if rehearsal.rows != rows // devices:
        raise ParameterValueError(
            f"rehearsal: expected a source of {rows // devices} pages a call (batch_size times "
            f"rehearsal_share, for each device), got one of {rehearsal.rows}"
        )
    return rehearsal


def _learned(learner: PageLearner, variables: Tree, share: float = 0.0) -> ModelCheckpoint:
    params = own_parameters(learner, variables)
    return with_variables(learner.model, {"params": params}, share)


def train_detection_batch(samples: Sequence[Mapping[str, Any]], model: DLModel) -> dict[str, float]:
    """One step on pages; see `train_dl_model_batch`."""
    session = model.session
    if not isinstance(session, BatchSession) or not session.fits(model):
        learner = page_learner(model.checkpoint, model.training.precision)
        loss = learner.make_losses(None)[LABELLED]
        session = model.session = BatchSession(
            model, LABELLED, loss, learner.params, lambda variables: _learned(learner, variables)
        )
    return session.step(_page_batch(samples, needs_characters(model.checkpoint)), model)


def _page_batch(samples: Sequence[Mapping[str, Any]], by_character: bool) -> dict[str, np.ndarray]:
    """Samples as a batch of one canvas, gray where a page does not fill it."""
    pages = [_page(number, sample, by_character) for number, sample in enumerate(samples)]
    height, width = (
        -(-max(image.shape[axis] for image, *_ in pages) // SIDE_STEP) * SIDE_STEP
        for axis in (0, 1)
    )
    rows = rows_of_batch(len(pages))
    most = max(len(words) for _, _, words, _ in pages)
    room = max(1, -(-most // ROOM_STEP)) * ROOM_STEP
    batch = {
        "images": np.full((rows, height, width, 3), 127, np.uint8),
        "quads": np.zeros((rows, room, 4, 2), np.float32),
        "words": np.full((rows, room), -1, np.int32),
        "visible": np.zeros((rows, room), bool),
        "weak": np.ones(rows, np.float32),
        "mask": (np.arange(rows) < len(pages)).astype(np.float32),
        "image_id": np.arange(rows),
    }
    for row, (image, quads, words, visible) in enumerate(pages):
        batch["images"][row, : image.shape[0], : image.shape[1]] = image
        for name, values in (("quads", quads), ("words", words), ("visible", visible)):
            batch[name][row, : len(words)] = values
    return batch


def _page(
    number: int, sample: Mapping[str, Any], by_character: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if "image" not in sample:
        raise ParameterValueError(f"sample {number}: expected the key image, got {sorted(sample)}")
    labelled = dict(sample)
    if "bbox_row" in labelled:
        labelled.setdefault("bbox_label_id", [WORD] * len(labelled["bbox_row"]))
    labelled.setdefault("image_id", number)
    check_page(labelled, by_character)
    return as_rgb(np.asarray(sample["image"])), *page_cells(labelled, by_character)
