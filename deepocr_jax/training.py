"""A recognizer, its data and its options -> a task for the training loop."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, variables_sha256, write_checkpoint
from deepocr_jax.data.plans import BatchPlan
from deepocr_jax.data.streams import make_batch, stream_batches
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.evaluation import evaluate_recognition
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.recognition import TEACHER, RecognitionOptions, make_recognition_loss
from deepocr_jax.train.run import Evaluation, Task
from deepocr_jax.types import Batch, CropSource

PIPELINES = ("threads", "tf.data")


@dataclass(frozen=True)
class BatchOptions:
    """How samples become batches.

    Attributes:
        batch_size: Rows that are computed at once, over all devices of all processes.
        batch_size_multiplier: How many such batches make one step (gradient accumulation).
        rehearsal_share: Share of the rows that come from the old domain.
        image_width: Widest crop in pixels; wider ones are squeezed.
        seed: Of the order.
        pipeline: "threads", or "tf.data" (needs TensorFlow; gives the same batches).
        workers: Threads that make batches.
    """

    batch_size: int = 16
    batch_size_multiplier: int = 1
    rehearsal_share: float = 0.0
    image_width: int = 640
    seed: int = 42
    pipeline: str = "threads"
    workers: int = 2

    def __post_init__(self) -> None:
        if self.pipeline not in PIPELINES:
            raise ParameterValueError(f"pipeline: expected {PIPELINES}, got {self.pipeline!r}")
        for name in ("batch_size", "batch_size_multiplier", "image_width", "workers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterValueError(f"{name}: expected an integer from 1 on, got {value!r}")
        if not 0 <= self.rehearsal_share < 1:
            raise ParameterValueError(
                f"rehearsal_share: expected 0 to less than 1, got {self.rehearsal_share!r}"
            )

    @property
    def rows(self) -> int:
        """Rows of one step."""
        return self.batch_size * self.batch_size_multiplier

    @property
    def rehearsal_rows(self) -> int:
        """Rows of one step that are rehearsal."""
        return round(self.rows * self.rehearsal_share)


def make_encoder(alphabet: tuple[str, ...]) -> Callable[[str], list[int]]:
    """Words -> classes; class i + 1 is character i."""
    index = {c: i + 1 for i, c in enumerate(alphabet)}

    def encode(word: str) -> list[int]:
        try:
            return [index[c] for c in word]
        except KeyError as error:
            raise ParameterValueError(
                f"{word!r} has a character that the model does not know: {error}; drop the "
                "sample, or give the model an alphabet that has it"
            ) from None

    return encode


def make_recognition_task(
    model: ModelCheckpoint,
    source: CropSource,
    batches: BatchOptions,
    options: RecognitionOptions,
    validation: CropSource | None = None,
    rehearsal: CropSource | None = None,
) -> Task:
    """What `deepocr_jax.train.loop.train` needs to train a recognizer.

    Args:
        model: Where training begins.
        source: What is learned.
        batches: How samples become batches.
        options: Of the loss; `rehearsal_rows` is filled in.
        validation: What the epochs are judged by; None: nothing is.
        rehearsal: The old domain; needed for a `rehearsal_share`.

    Raises:
        ParameterValueError: Options and sources do not go together.
        DatasetError: See `BatchPlan`.
    """
    if (rehearsal is None) != (batches.rehearsal_rows == 0):
        raise ParameterValueError(
            f"rehearsal_share {batches.rehearsal_share} of {batches.rows} rows is "
            f"{batches.rehearsal_rows} rows, but there is {'no' if rehearsal is None else 'a'} "
            "rehearsal; give both or neither"
        )
    plan = BatchPlan(
        source.widths,
        batches.rows,
        batches.seed,
        None if rehearsal is None else rehearsal.widths,
        batches.rehearsal_rows,
        batches.image_width,
    )
    params = dict(model.variables["params"])
    if options.distillation_weight:
        params[TEACHER] = model.variables
        options = replace(options, rehearsal_rows=_rows_at_once(batches))
    spec = spec_from_dict(model.kind, model.spec)
    sources = [source] if rehearsal is None else [source, rehearsal]

    def evaluate(variables: Tree) -> Evaluation:
        assert validation is not None
        trained = with_variables(model, variables)
        figures = evaluate_recognition(trained, validation, image_width=batches.image_width)
        return dict(figures.compute())

    return Task(
        loss=make_recognition_loss(spec, model.preprocess, options),
        params=params,
        batch_stats=model.variables.get("batch_stats", {}),
        batches=_stream(plan, sources, make_encoder(model.alphabet), batches),
        steps_per_epoch=plan.steps_per_epoch,
        evaluate=None if validation is None else evaluate,
        save_model=lambda variables, folder: write_checkpoint(
            folder, with_variables(model, variables)
        ),
        fingerprint=_fingerprint(model, sources, batches, options),
    )


def with_variables(model: ModelCheckpoint, variables: Tree) -> ModelCheckpoint:
    """The model with what it has learned; its own training leaves the published checksum behind."""
    params = {name: tree for name, tree in variables["params"].items() if name != TEACHER}
    source = model.source if model.source.endswith(", retrained") else f"{model.source}, retrained"
    return replace(model, variables={**variables, "params": params}, source=source, sha256="")


def _rows_at_once(batches: BatchOptions) -> int:
    """Most rows of rehearsal in the part of a batch that one device computes at once."""
    parts = jax.device_count() * batches.batch_size_multiplier
    return -(-batches.rehearsal_rows // parts)


def _stream(
    plan: BatchPlan,
    sources: list[CropSource],
    encode: Callable[[str], list[int]],
    options: BatchOptions,
) -> Callable[[int, int], Iterator[Batch]]:
    processes = jax.process_count()
    if options.rows % processes:
        raise ParameterValueError(
            f"{options.rows} rows a step do not divide among {processes} processes"
        )
    share = options.rows // processes
    rows = slice(share * jax.process_index(), share * (jax.process_index() + 1))

    def load(step: int) -> Batch:
        return make_batch(plan.plan(step), sources, encode, rows)

    def batches(start: int, stop: int) -> Iterator[Batch]:
        if options.pipeline == "tf.data":
            # Only who asks for TensorFlow imports it.
            from deepocr_jax.data.tf_pipeline import tf_batches

            return tf_batches(load, start, stop, options.workers)
        return stream_batches(load, start, stop, options.workers)

    return batches


def _fingerprint(
    model: ModelCheckpoint,
    sources: list[CropSource],
    batches: BatchOptions,
    options: RecognitionOptions,
) -> str:
    """Of all that decides on the course of a training, apart from the loop's own options."""
    ways = {k: v for k, v in asdict(batches).items() if k not in ("pipeline", "workers")}
    told: list[Any] = [variables_sha256(model.variables), model.alphabet, ways, asdict(options)]
    for source in sources:
        fingerprint = getattr(source, "fingerprint", None)
        words = [source.word(i) for i in range(len(source))] if fingerprint is None else []
        widths = np.asarray(source.widths).tolist() if fingerprint is None else []
        told.append([fingerprint, len(source), words, widths])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
