"""A detector, sources of pages and options -> a task for the training loop, whatever its kind."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, variables_sha256, write_checkpoint
from deepocr_jax.geometry.character_cells import boxes_of_words
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.train.pages import (
    ASSETS,
    LABELLED,
    SYNTHETIC,
    MakePages,
    PageSource,
    count_steps,
)
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.run import Evaluation, Task
from deepocr_jax.train.score_map_targets import Pages
from deepocr_jax.train.step import LossFunction

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


@dataclass(frozen=True)
class PageLearner:
    """A detector that learns from pages: all in which the kinds of detectors differ.

    Attributes:
        model: Where training begins.
        params: Of the network in training: the model's, and those that only training needs.
        make_losses: Function that makes pages, or None -> the losses by the role of a batch.
        trained_on: What the model's source tells of its training.
        options: Plain values that decide on the losses.
        find: (the model's parameters, images [n, h, w, 3]) -> boxes [m, 5] found on each; None:
            it finds none, so an epoch is not judged.
    """

    model: ModelCheckpoint
    params: Tree = field(repr=False)
    make_losses: Callable[[MakePages | None], dict[str, LossFunction]] = field(repr=False)
    trained_on: str
    options: dict[str, Any]
    find: Callable[[Tree, jax.Array], list[np.ndarray]] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class LabelledParts:
    """The labelled pages of a training.

    Attributes:
        stream: Batches by step, a function of the steps alone.
        per_turn: How many batches a step has, or one of its turns.
        fingerprint: Of all that decides on them.
    """

    stream: LabelledStream = field(repr=False)
    per_turn: int = 1
    fingerprint: str = ""


def make_page_task(
    learner: PageLearner,
    source: PageSource | None,
    epoch: EpochOptions,
    labelled: LabelledParts | None = None,
    turns: int = 1,
) -> Task:
    """What `deepocr_jax.train.loop.train` needs to train a detector.

    Args:
        learner: The detector.
        source: Pages made on the device, some of each step; None: there are only labelled ones.
        epoch: Its length, and what it is judged by.
        labelled: Further pages of each step.
        turns: How often a step takes its parts (gradient accumulation).
    """
    rows = 0 if source is None else source.rows * jax.local_device_count()
    parts = () if source is None else (SYNTHETIC,)
    parts += () if labelled is None else (LABELLED,) * labelled.per_turn

    def batches(start: int, stop: int) -> Iterator[Mapping[str, Any]]:
        others = None if labelled is None else labelled.stream(start, stop)
        for batch in count_steps(rows, start, stop):
            for role in parts * turns:
                if role == SYNTHETIC:
                    yield batch
                elif others is not None:
                    yield next(others)

    def save_model(variables: Tree, folder: Path) -> None:
        write_checkpoint(folder, with_learned(learner, variables))

    evaluate = None
    if source is not None and learner.find is not None and epoch.validation_calls > 0:
        evaluate = make_evaluation(learner, learner.find, source, epoch.validation_calls)
    return Task(
        losses=learner.make_losses(None if source is None else source.make),
        parts=parts * turns,
        params=learner.params,
        constants={ASSETS: source.assets} if source is not None and source.assets else {},
        batch_stats={},
        batches=batches,
        steps_per_epoch=epoch.steps,
        evaluate=evaluate,
        save_model=save_model,
        fingerprint=_fingerprint(learner, source, epoch, labelled),
    )


def own_parameters(learner: PageLearner, variables: Tree) -> Tree:
    """The model's parameters out of those of a training, without what only the losses used."""
    return {name: variables["params"][name] for name in learner.model.variables["params"]}


def with_learned(learner: PageLearner, variables: Tree) -> ModelCheckpoint:
    """The model with what it has learned."""
    tail = f", trained on {learner.trained_on}"
    model = learner.model
    source = model.source if model.source.endswith(tail) else model.source + tail
    params = own_parameters(learner, variables)
    return replace(model, variables={"params": params}, source=source, sha256="")


def make_evaluation(
    learner: PageLearner,
    find: Callable[[Tree, jax.Array], list[np.ndarray]],
    source: PageSource,
    calls: int,
) -> Callable[[Tree], Evaluation]:
    """Variables -> how well the words of fixed pages are found.

    Args:
        learner: The detector.
        find: Its own.
        source: The pages; those of `calls` calls are used, each time the same.
        calls: How many.

    Returns:
        A function that gives "precision", "recall" and "f_score" at an overlap of 0.5, and as
        "accuracy", by which the loop judges, the f-score at an overlap of 0.7. Words that are not
        fully visible count neither way.
    """
    make = jax.jit(source.make)

    def evaluate(variables: Tree) -> Evaluation:
        params = own_parameters(learner, variables)
        metrics = DetectionMetrics((0.5, 0.7))
        root = jax.random.key(VALIDATION_SEED)
        for call in range(calls):
            pages = make(source.assets, jax.random.fold_in(root, call), np.int32(VALIDATION_STEP))
            judge_words(metrics, pages, find(params, pages.images))
        half, most = metrics.compute()["thresholds"]
        figures = {name: half[name] for name in ("precision", "recall", "f_score")}
        return {**figures, "accuracy": most["f_score"]}

    return evaluate


def judge_words(metrics: DetectionMetrics, pages: Pages, found: list[np.ndarray]) -> None:
    """Counts the words that were found on pages: boxes [m, 5] on each."""
    quads, words, visible = (np.asarray(v) for v in (pages.quads, pages.words, pages.visible))
    for index, boxes in enumerate(found):
        truth, whole = boxes_of_words(quads[index], words[index], visible[index])
        metrics.update(truth, boxes, ~whole)


def _fingerprint(
    learner: PageLearner,
    source: PageSource | None,
    epoch: EpochOptions,
    labelled: LabelledParts | None,
) -> str:
    """Of all that decides on the course of a training, apart from the loop's own options."""
    model = learner.model
    told: list[Any] = [variables_sha256(model.variables), model.spec, asdict(model.preprocess)]
    told += [None, 0] if source is None else [source.fingerprint, source.rows]
    told += [learner.options, asdict(epoch), "" if labelled is None else labelled.fingerprint]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
