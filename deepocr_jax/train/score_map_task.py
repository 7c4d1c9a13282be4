"""A detector by score maps, a source of pages and options -> a task for the training loop."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, variables_sha256, write_checkpoint
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.geometry.character_cells import boxes_of_words
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.models.registry import (
    SCORE_MAP_KIND,
    make_model,
    spec_from_dict,
    spec_to_dict,
)
from deepocr_jax.models.score_maps import (
    STRIDE,
    score_map_spec,
    to_score_maps,
    variables_from_detector,
)
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words
from deepocr_jax.preprocess import normalize
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.run import Evaluation, Task
from deepocr_jax.train.score_map_targets import Pages
from deepocr_jax.train.score_maps import (
    ASSETS,
    LABELLED,
    SYNTHETIC,
    PageSource,
    ScoreMapOptions,
    count_steps,
    make_score_map_losses,
)

KIND = SCORE_MAP_KIND
# (first step, step after the last) -> batches of labelled pages.
LabelledStream = Callable[[int, int], Iterator[Mapping[str, Any]]]
# Pages that are judged by come from a key of their own, and from the end of any curriculum.
VALIDATION_SEED, VALIDATION_STEP = 2**31 - 1, 10**6


@dataclass(frozen=True)
class EpochOptions:
    """What the loop calls an epoch, where pages never repeat.

    Attributes:
        steps: Steps of one.
        validation_calls: Of the source, for the pages that an epoch is judged by; 0: it is not.
    """

    steps: int = 1000
    validation_calls: int = 4


def begin_score_maps(detector: ModelCheckpoint, seed: int = 0) -> ModelCheckpoint:
    """A detector by score maps that begins with another detector's backbone and neck.

    Args:
        detector: Of kind "ocr_detection".
        seed: Of the fresh head.
    """
    spec = score_map_spec(spec_from_dict(detector.kind, detector.spec))
    variables = variables_from_detector(jax.random.key(seed), spec, detector.variables)
    source = f"{detector.source}, with a fresh head of score maps"
    return replace(
        detector,
        kind=KIND,
        spec=spec_to_dict(spec),
        variables=variables,
        source=source,
        sha256="",
    )


def make_score_map_task(
    model: ModelCheckpoint,
    source: PageSource,
    options: ScoreMapOptions,
    epoch: EpochOptions,
    labelled: LabelledStream | None = None,
    labelled_fingerprint: str = "",
) -> Task:
    """What `deepocr_jax.train.loop.train` needs to train a detector by score maps.

    Args:
        model: Where training begins, see `begin_score_maps`.
        source: The pages.
        options: Of the targets and losses.
        epoch: Its length, and what it is judged by.
        labelled: Further pages of each step, see `make_score_map_losses`; a function of the steps
            alone.
        labelled_fingerprint: Of them.
    """
    spec = spec_from_dict(model.kind, model.spec)
    rows = source.rows * jax.local_device_count()

    def batches(start: int, stop: int) -> Iterator[Mapping[str, Any]]:
        others = None if labelled is None else labelled(start, stop)
        for batch in count_steps(rows, start, stop):
            yield batch
            if others is not None:
                yield next(others)

    def save_model(variables: Tree, folder: Path) -> None:
        write_checkpoint(folder, with_learned(model, variables))

    judged = epoch.validation_calls > 0
    return Task(
        losses=make_score_map_losses(spec, model.preprocess, options, source.make),
        parts=(SYNTHETIC,) if labelled is None else (SYNTHETIC, LABELLED),
        params=model.variables["params"],
        constants={ASSETS: source.assets} if source.assets else {},
        batch_stats={},
        batches=batches,
        steps_per_epoch=epoch.steps,
        evaluate=make_evaluation(model, source, epoch.validation_calls) if judged else None,
        save_model=save_model,
        fingerprint=_fingerprint(model, source, options, epoch, labelled_fingerprint),
    )


def with_learned(model: ModelCheckpoint, variables: Tree) -> ModelCheckpoint:
    """A model with what it has learned, without what only the losses used."""
    params = {name: tree for name, tree in variables["params"].items() if name != ASSETS}
    tail = ", trained on score maps"
    source = model.source if model.source.endswith(tail) else model.source + tail
    return replace(model, variables={"params": params}, source=source, sha256="")


def make_evaluation(
    model: ModelCheckpoint, source: PageSource, calls: int, params: ScoreMapParams | None = None
) -> Callable[[Tree], Evaluation]:
    """Variables -> how well the words of fixed pages are found.

    Args:
        model: Its kind, specification and preprocessing.
        source: The pages; those of `calls` calls are used, each time the same.
        calls: How many.
        params: Thresholds.

    Returns:
        A function that gives "precision", "recall" and "f_score" at an overlap of 0.5, and as
        "accuracy", by which the loop judges, the f-score at an overlap of 0.7. Words that are not
        fully visible count neither way.
    """
    network: Any = make_model(model.kind, spec_from_dict(model.kind, model.spec))
    thresholds = params or ScoreMapParams()
    make = jax.jit(source.make)

    @jax.jit
    def score_maps(trained: Tree, images: jax.Array) -> jax.Array:
        x = normalize(images, model.preprocess)
        return to_score_maps(network.apply({"params": trained}, x))

    def evaluate(variables: Tree) -> Evaluation:
        trained = with_learned(model, variables).variables["params"]
        metrics = DetectionMetrics((0.5, 0.7))
        root = jax.random.key(VALIDATION_SEED)
        for call in range(calls):
            pages = make(source.assets, jax.random.fold_in(root, call), np.int32(VALIDATION_STEP))
            maps = np.asarray(score_maps(trained, pages.images))
            judge_words(metrics, pages, maps, thresholds)
        half, most = metrics.compute()["thresholds"]
        figures = {name: half[name] for name in ("precision", "recall", "f_score")}
        return {**figures, "accuracy": most["f_score"]}

    return evaluate


def judge_words(
    metrics: DetectionMetrics, pages: Pages, maps: np.ndarray, params: ScoreMapParams
) -> None:
    """Counts the words that maps [n, h, w, 4] give on pages."""
    quads, words, visible = (np.asarray(v) for v in (pages.quads, pages.words, pages.visible))
    for index in range(len(maps)):
        truth, whole = boxes_of_words(quads[index], words[index], visible[index])
        found, _ = find_words(maps[index], params)
        metrics.update(truth, scale_boxes(found, STRIDE, STRIDE), ~whole)


def _fingerprint(
    model: ModelCheckpoint,
    source: PageSource,
    options: ScoreMapOptions,
    epoch: EpochOptions,
    labelled: str,
) -> str:
    """Of all that decides on the course of a training, apart from the loop's own options."""
    told: list[Any] = [variables_sha256(model.variables), model.spec, asdict(model.preprocess)]
    told += [source.fingerprint, source.rows, asdict(options), asdict(epoch), labelled]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
