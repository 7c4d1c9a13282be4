"""Which batches make up the steps of a training, and the stream of them."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax

from deepocr_jax.data.plans import BUCKETS, BatchPlan, StepPlan
from deepocr_jax.data.streams import make_batch, stream_batches
from deepocr_jax.errors import MissingPackageError, ParameterValueError
from deepocr_jax.train.recognition import DATASET, REHEARSAL
from deepocr_jax.types import Batch, CropSource

Encoder = Callable[[str], list[int]]
PIPELINES = ("threads", "tf.data")


@dataclass(frozen=True)
class BatchOptions:
    """How samples become batches.

    Attributes:
        batch_size: Rows of a batch, over all devices of all processes, rehearsal included.
        batch_size_multiplier: How many such batches make one step (gradient accumulation).
        rehearsal_share: Share of the rows of each batch that come from the old domain.
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
        if self.pipeline == "tf.data" and importlib.util.find_spec("tensorflow") is None:
            raise MissingPackageError(
                'pipeline: "tf.data" needs TensorFlow, "threads" gives the same batches without; '
                'run: pip install "deepocr_jax[tensorflow]"'
            )
        for name in ("batch_size", "batch_size_multiplier", "image_width", "workers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ParameterValueError(f"{name}: expected an integer from 1 on, got {value!r}")
        if not 0 <= self.rehearsal_share < 1:
            raise ParameterValueError(
                f"rehearsal_share: expected 0 to less than 1, got {self.rehearsal_share!r}"
            )

    @property
    def rehearsal_rows(self) -> int:
        """Rows of each batch that are rehearsal."""
        return round(self.batch_size * self.rehearsal_share)


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


def make_schedule(
    source: CropSource,
    rehearsal: CropSource | None,
    encode: Encoder,
    options: BatchOptions,
    buckets: tuple[int, ...] = BUCKETS,
) -> "Schedule":
    """The schedule of a training on a source, with the old domain beside it or without.

    Raises:
        ParameterValueError: The rows do not divide among the processes, or none is the dataset's.
    """
    own = options.batch_size - options.rehearsal_rows
    if own < 1:
        raise ParameterValueError(
            f"rehearsal_share {options.rehearsal_share} leaves none of {options.batch_size} rows "
            "to the dataset"
        )
    width, seed = options.image_width, options.seed
    plans = {DATASET: BatchPlan(source.widths, own, seed, width, buckets)}
    sources = {DATASET: source}
    if rehearsal is not None:
        rows = options.rehearsal_rows
        plans[REHEARSAL] = BatchPlan(rehearsal.widths, rows, seed, width, buckets, 1)
        sources[REHEARSAL] = rehearsal
    for role, plan in plans.items():
        if plan.rows % jax.process_count():
            raise ParameterValueError(
                f"{plan.rows} rows of the {role} do not divide among {jax.process_count()} "
                "processes; choose another batch_size or rehearsal_share"
            )
    return Schedule(plans, sources, encode, options.batch_size_multiplier)


@dataclass(frozen=True)
class Schedule:
    """The batches of each step: one of each role, as often as gradients are accumulated.

    Attributes:
        plans: The batches of each role.
        sources: The crops of each role.
        encode: Word -> classes.
        multiplier: Batches of each role in a step.
    """

    plans: dict[str, BatchPlan]
    sources: dict[str, CropSource]
    encode: Encoder
    multiplier: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The roles of a step's parts."""
        return tuple(self.plans) * self.multiplier

    @property
    def steps_per_epoch(self) -> int:
        """Steps that take every sample of the dataset once."""
        return -(-self.plans[DATASET].batches_per_epoch // self.multiplier)

    def plan(self, number: int) -> tuple[str, StepPlan]:
        """The part of a number, counted over all steps: its role and its rows.

        The last step of an epoch may have parts without a sample of the dataset.
        """
        step, part = divmod(number, len(self.parts))
        turn, role = part // len(self.plans), self.parts[part]
        if role == REHEARSAL:
            return role, self.plans[role].plan(step * self.multiplier + turn)
        plan = self.plans[role]
        epoch, place = divmod(step, self.steps_per_epoch)
        batch = place * self.multiplier + turn
        if batch >= plan.batches_per_epoch:
            return role, plan.filling()
        return role, plan.plan(epoch * plan.batches_per_epoch + batch)

    def load(self, number: int) -> Batch:
        """This process's rows of a part."""
        role, plan = self.plan(number)
        share = len(plan.indices) // jax.process_count()
        rows = slice(share * jax.process_index(), share * (jax.process_index() + 1))
        return make_batch(plan, self.sources[role], self.encode, rows)

    def stream(self, start: int, stop: int, options: BatchOptions) -> Iterator[Batch]:
        """The parts of the steps from `start` to before `stop`."""
        first, last = start * len(self.parts), stop * len(self.parts)
        if options.pipeline == "tf.data":
            # Only who asks for TensorFlow imports it.
            from deepocr_jax.data.tf_pipeline import tf_batches

            return tf_batches(self.load, first, last, options.workers)
        return stream_batches(self.load, first, last, options.workers)
