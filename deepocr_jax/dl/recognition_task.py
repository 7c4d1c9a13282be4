"""A recognizer, its data and its options -> a task for the training loop."""

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, variables_sha256, write_checkpoint
from deepocr_jax.data.plans import buckets_from
from deepocr_jax.dl.batch_schedule import BatchOptions, make_encoder, make_schedule
from deepocr_jax.dl.reading_accuracy import evaluate_recognition
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.recognition import TEACHER, RecognitionOptions, make_recognition_losses
from deepocr_jax.train.run import Evaluation, Task
from deepocr_jax.types import CropSource


def make_recognition_task(
    model: ModelCheckpoint,
    source: CropSource,
    batches: BatchOptions,
    options: RecognitionOptions,
    validation: CropSource | None = None,
    rehearsal: CropSource | None = None,
    pretrained_share: float = 0.0,
) -> Task:
    """What `deepocr_jax.train.loop.train` needs to train a recognizer.

    Args:
        model: Where training begins.
        source: What is learned.
        batches: How samples become batches.
        options: Of the losses.
        validation: What the epochs are judged by; None: nothing is.
        rehearsal: The old domain; needed for a `rehearsal_share`.
        pretrained_share: See `with_variables`.

    Raises:
        ParameterValueError: Options and sources do not go together.
        DatasetError: See `BatchPlan`.
    """
    if (rehearsal is None) != (batches.rehearsal_rows == 0):
        raise ParameterValueError(
            f"rehearsal_share {batches.rehearsal_share} of {batches.batch_size} rows is "
            f"{batches.rehearsal_rows} rows, but there is {'no' if rehearsal is None else 'a'} "
            "rehearsal; give both or neither"
        )
    distils = rehearsal is not None and options.distillation_weight > 0
    spec = spec_from_dict(model.kind, model.spec)
    encode, buckets = make_encoder(model.alphabet), buckets_from(spec.least_width)
    schedule = make_schedule(source, rehearsal, encode, batches, buckets)

    def evaluate(variables: Tree) -> Evaluation:
        assert validation is not None
        trained = with_variables(model, variables, pretrained_share)
        figures = evaluate_recognition(trained, validation, image_width=batches.image_width)
        return dict(figures.compute())

    def save_model(variables: Tree, folder: Path) -> None:
        write_checkpoint(folder, with_variables(model, variables, pretrained_share))

    return Task(
        losses=make_recognition_losses(spec, model.preprocess, options),
        parts=schedule.parts,
        params=model.variables["params"],
        constants={TEACHER: model.variables} if distils else {},
        batch_stats=model.variables.get("batch_stats", {}),
        batches=lambda start, stop: schedule.stream(start, stop, batches),
        steps_per_epoch=schedule.steps_per_epoch,
        evaluate=None if validation is None else evaluate,
        save_model=save_model,
        fingerprint=_fingerprint(model, [source, rehearsal], batches, options),
    )


def with_variables(
    model: ModelCheckpoint, variables: Tree, pretrained_share: float = 0.0
) -> ModelCheckpoint:
    """A model with what it has learned; the published checksum does not hold for it any more.

    Args:
        model: The beginning.
        variables: What training made of it.
        pretrained_share: Share of the beginning's parameters in the result. On the line between
            the two a little of it gives back most of what was forgotten (Wortsman et al., "Robust
            fine-tuning of zero-shot models", arXiv 2109.01903).
    """
    params = {name: tree for name, tree in variables["params"].items() if name != TEACHER}

    def mix(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        return np.asarray(pretrained_share * old + (1 - pretrained_share) * new, np.float32)

    if pretrained_share:
        params = jax.tree.map(mix, model.variables["params"], params)
    source = model.source if model.source.endswith(", retrained") else f"{model.source}, retrained"
    return replace(model, variables={**variables, "params": params}, source=source, sha256="")


def _fingerprint(
    model: ModelCheckpoint,
    sources: list[CropSource | None],
    batches: BatchOptions,
    options: RecognitionOptions,
) -> str:
    """Of all that decides on the course of a training, apart from the loop's own options."""
    ways = {k: v for k, v in asdict(batches).items() if k not in ("pipeline", "workers")}
    told: list[Any] = [variables_sha256(model.variables), model.alphabet, ways, asdict(options)]
    for source in filter(None, sources):
        fingerprint = getattr(source, "fingerprint", None)
        words = [source.word(i) for i in range(len(source))] if fingerprint is None else []
        widths = np.asarray(source.widths).tolist() if fingerprint is None else []
        told.append([fingerprint, len(source), words, widths])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
