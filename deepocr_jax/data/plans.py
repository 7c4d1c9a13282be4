"""Which samples make up which batch: a pure function of the step, so nothing needs to be saved.

Each epoch takes the samples in a new order, sorts them by the canvas that they need and cuts the
sequence into batches. What does not fill the last batch of a canvas goes into the first batch of
the next wider one, so every sample comes exactly once an epoch and only one batch has filling rows.
The batches then come in an order of their own.

The rows of rehearsal follow a plan of the same kind, whose epochs have nothing to do with those of
the dataset.
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

FILLING = -1
_MAIN, _REHEARSAL = 0, 1
_KEPT_EPOCHS = 8


class StepPlan(NamedTuple):
    """The rows of one step.

    Attributes:
        width: width of the canvas in pixels.
        main: [main rows] indices of the dataset's samples, -1 for a filling row.
        rehearsal: [rehearsal rows] indices of the rehearsal's samples, -1 for a filling row.
    """

    width: int
    main: IntArray
    rehearsal: IntArray


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The batches of a training or an evaluation.

    Attributes:
        widths: [n] width of each sample's crop in pixels.
        batch_size: rows of a batch, over all processes and devices.
        seed: number that decides on the order, 0 to 2**63 - 1.
        rehearsal_widths: [m] widths of the rehearsal's crops, None without rehearsal.
        rehearsal_rows: how many of the rows of each batch are rehearsal.
        image_width: the widest crop that the model reads, in pixels.
        buckets: widths of the canvases, ascending; those beyond `image_width` are replaced by it.
    """

    widths: IntArray
    batch_size: int
    seed: int = 0
    rehearsal_widths: IntArray | None = None
    rehearsal_rows: int = 0
    image_width: int = BUCKETS[-1]
    buckets: tuple[int, ...] = BUCKETS
    _main: "_Part" = field(init=False, repr=False)
    _rehearsal: "_Part | None" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Checks the numbers and sorts the samples into their canvases.

        Raises:
            DatasetError: there are no samples, a crop is wider than `image_width`, or the rows do
                not go together.
        """
        rehearsed = self.rehearsal_widths is not None
        if not 0 <= self.seed < 2**63:
            raise DatasetError(f"Expected a seed in 0..2**63 - 1, got {self.seed}.")
        if rehearsed != (self.rehearsal_rows > 0) or self.rehearsal_rows < 0:
            raise DatasetError(
                f"Expected rehearsal_rows of at least 1 with rehearsal and 0 without, got "
                f"{self.rehearsal_rows} {'with' if rehearsed else 'without'} rehearsal widths."
            )
        if self.batch_size <= self.rehearsal_rows:
            raise DatasetError(
                f"Expected a batch_size larger than the {self.rehearsal_rows} rows of rehearsal, "
                f"got {self.batch_size}; at least one row must be the dataset's."
            )
        canvases = (*(b for b in sorted(self.buckets) if b < self.image_width), self.image_width)
        object.__setattr__(self, "buckets", canvases)
        main = _Part(self._canvases(self.widths, "dataset"), self.main_rows, self.seed, _MAIN)
        object.__setattr__(self, "_main", main)
        part = None
        if self.rehearsal_widths is not None:
            needed = self._canvases(self.rehearsal_widths, "rehearsal")
            part = _Part(needed, self.rehearsal_rows, self.seed, _REHEARSAL)
        object.__setattr__(self, "_rehearsal", part)

    def _canvases(self, widths: IntArray, name: str) -> npt.NDArray[np.int32]:
        """[n] the canvas of each crop."""
        widths = np.asarray(widths)
        if widths.ndim != 1 or len(widths) == 0:
            raise DatasetError(
                f"Expected the widths of at least one crop of the {name}, got an array of shape "
                f"{list(widths.shape)}; check the split."
            )
        if widths.max() > self.image_width or widths.min() < 1:
            raise DatasetError(
                f"Expected crops of 1 to {self.image_width} px in the {name}, got "
                f"{widths.min()} to {widths.max()} px; make the source with the same image_width."
            )
        buckets = np.asarray(self.buckets, np.int32)
        return buckets[np.searchsorted(buckets, widths)]

    @property
    def main_rows(self) -> int:
        """How many rows of each batch are the dataset's."""
        return self.batch_size - self.rehearsal_rows

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold every sample of the dataset once."""
        return self._main.steps

    def plan(self, step: int) -> StepPlan:
        """The rows of one step, counted from 0; the same whenever it is asked for."""
        if step < 0:
            raise DatasetError(f"Expected a step of at least 0, got {step}.")
        width, main = self._main.rows_of(step)
        if self._rehearsal is None:
            return StepPlan(width, main, np.zeros(0, np.int64))
        other_width, rehearsal = self._rehearsal.rows_of(step)
        return StepPlan(max(width, other_width), main, rehearsal)


@dataclass(frozen=True, eq=False)
class _Part:
    """Samples that are drawn epoch by epoch: their canvases, the rows of a batch, the order."""

    canvases: npt.NDArray[np.int32]
    rows: int
    seed: int
    stream: int

    @property
    def steps(self) -> int:
        return math.ceil(len(self.canvases) / self.rows)

    def rows_of(self, step: int) -> tuple[int, IntArray]:
        """The canvas and the indices [rows] of one step."""
        epoch, place = divmod(step, self.steps)
        widths, indices = _epoch(self, epoch)
        return int(widths[place]), indices[place]


# Keyed by the identity of the part. Several epochs are kept, as training and evaluation alternate
# and the batches at the end of an epoch are made while those of the next one begin.
@lru_cache(maxsize=_KEPT_EPOCHS)
def _epoch(part: _Part, epoch: int) -> tuple[IntArray, IntArray]:
    """The canvases [steps] and the indices [steps, rows] of one epoch."""
    count = len(part.canvases)
    bits = np.random.Philox(key=[part.seed, 2 * epoch + part.stream])
    order = _permutation(bits, count)
    order = order[np.argsort(part.canvases[order], kind="stable")]
    filled = np.full(part.steps * part.rows, FILLING, np.int64)
    filled[:count] = order
    indices = filled.reshape(part.steps, part.rows)
    # In ascending order, the widest sample of a batch is its last one.
    lasts = np.minimum(np.arange(1, part.steps + 1) * part.rows, count) - 1
    widths = part.canvases[order[lasts]]
    batches = _permutation(bits, part.steps)
    widths, indices = widths[batches], indices[batches]
    indices.flags.writeable = False
    return widths, indices


def _permutation(bits: np.random.Philox, count: int) -> IntArray:
    """An order of `count` things.

    NumPy promises the raw bits of a generator for all its versions, but not what its
    `permutation` makes of them, and a training must go on under a newer NumPy.
    """
    return np.argsort(bits.random_raw(count), kind="stable")
