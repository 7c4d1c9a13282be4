"""Which samples make up which batch: a pure function of the step, so nothing needs to be saved.

Each epoch takes the samples in a new order, sorts them by the canvas that they need and cuts the
sequence into batches. What does not fill the last batch of a canvas goes into the first batch of
the next wider one, so every sample comes exactly once an epoch and only one batch has filling rows.
The batches then come in an order of their own.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deepocr_jax.errors import DatasetError
from deepocr_jax.types import IntArray

BUCKETS = (160, 224, 320, 448, 640, 960, 1280, 2048)
"""Widths of the canvases, in pixels; each is a compiled program, so there are few."""

NARROW_BUCKETS = (64, 96, 128)
"""Further ones, for models that read short words without much ground beside them."""

FILLING = -1
_KEPT_EPOCHS = 8


class StepPlan(NamedTuple):
    """The rows of one batch.

    Attributes:
        width: width of the canvas in pixels.
        indices: [rows] indices of the samples, -1 for a filling row.
    """

    width: int
    indices: IntArray


def buckets_from(least_width: int) -> tuple[int, ...]:
    """Widths of the canvases of a model that has a least one."""
    return (*(b for b in NARROW_BUCKETS if b >= least_width), *BUCKETS)


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The batches of a source of crops.

    Attributes:
        widths: [n] width of each sample's crop in pixels.
        rows: rows of a batch, over all processes and devices.
        seed: number that decides on the order, 0 to 2**63 - 1.
        image_width: the widest crop that the model reads, in pixels.
        buckets: widths of the canvases, ascending; those beyond `image_width` are replaced by it.
        stream: 0 or 1; plans that go side by side with one seed take different ones.
    """

    widths: IntArray
    rows: int
    seed: int = 0
    image_width: int = BUCKETS[-1]
    buckets: tuple[int, ...] = BUCKETS
    stream: int = 0
    _canvases: npt.NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Checks the numbers and finds each sample's canvas.

        Raises:
            DatasetError: there are no samples, or a crop is wider than `image_width`.
        """
        if not 0 <= self.seed < 2**63:
            raise DatasetError(f"Expected a seed in 0..2**63 - 1, got {self.seed}.")
        if self.rows < 1 or self.stream not in (0, 1):
            raise DatasetError(
                f"Expected rows of at least 1 and a stream of 0 or 1, got {self.rows} and "
                f"{self.stream}."
            )
        widths = np.asarray(self.widths)
        if widths.ndim != 1 or len(widths) == 0:
            raise DatasetError(
                "Expected the widths of at least one crop, got an array of shape "
                f"{list(widths.shape)}; check the split."
            )
        if widths.max() > self.image_width or widths.min() < 1:
            raise DatasetError(
                f"Expected crops of 1 to {self.image_width} px, got {widths.min()} to "
                f"{widths.max()} px; make the source with the same image_width."
            )
        canvases = (*(b for b in sorted(self.buckets) if b < self.image_width), self.image_width)
        object.__setattr__(self, "buckets", canvases)
        array = np.asarray(canvases, np.int32)
        object.__setattr__(self, "_canvases", array[np.searchsorted(array, widths)])

    @property
    def batches_per_epoch(self) -> int:
        """Batches that hold every sample once."""
        return math.ceil(len(self.widths) / self.rows)

    def plan(self, number: int) -> StepPlan:
        """The rows of one batch, counted from 0; the same whenever it is asked for."""
        if number < 0:
            raise DatasetError(f"Expected a number of at least 0, got {number}.")
        epoch, place = divmod(number, self.batches_per_epoch)
        widths, indices = _epoch(self, epoch)
        return StepPlan(int(widths[place]), indices[place])

    def filling(self) -> StepPlan:
        """A batch of filling rows only, on the narrowest canvas."""
        return StepPlan(self.buckets[0], np.full(self.rows, FILLING, np.int64))


# Keyed by the identity of the plan. Several epochs are kept, as training and evaluation alternate
# and the batches at the end of an epoch are made while those of the next one begin.
@lru_cache(maxsize=_KEPT_EPOCHS)
def _epoch(plan: BatchPlan, epoch: int) -> tuple[IntArray, IntArray]:
    """The canvases [batches] and the indices [batches, rows] of one epoch."""
    canvases, count = plan._canvases, len(plan.widths)
    bits = np.random.Philox(key=[plan.seed, 2 * epoch + plan.stream])
    order = _permutation(bits, count)
    order = order[np.argsort(canvases[order], kind="stable")]
    total = plan.batches_per_epoch
    filled = np.full(total * plan.rows, FILLING, np.int64)
    filled[:count] = order
    indices = filled.reshape(total, plan.rows)
    # In ascending order, the widest sample of a batch is its last one.
    lasts = np.minimum(np.arange(1, total + 1) * plan.rows, count) - 1
    widths = canvases[order[lasts]]
    batches = _permutation(bits, total)
    widths, indices = widths[batches], indices[batches]
    indices.flags.writeable = False
    return widths, indices


def _permutation(bits: np.random.Philox, count: int) -> IntArray:
    """An order of `count` things.

    NumPy promises the raw bits of a generator for all its versions, but not what its
    `permutation` makes of them, and a training must go on under a newer NumPy.
    """
    return np.argsort(bits.random_raw(count), kind="stable")
