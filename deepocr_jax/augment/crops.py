"""Random changes of word crops of any width, in few compiled programs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import numpy as np

from deepocr_jax.augment.images import augment
from deepocr_jax.augment.options import AugmentOptions, is_active
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.types import ImageArray

CANVASES = (160, 320, 640, 1280, 2048)
"""Widths in pixels to which crops are padded, multiples of 8; each is a compiled program."""
ROWS = 16

_augment = partial(jax.jit, static_argnames="options")(augment)


def augment_crops(
    crops: Sequence[ImageArray], options: AugmentOptions, seed: int
) -> list[ImageArray]:
    """Changes a share of crops at random.

    Args:
        crops: uint8 [h, w, 3] each, of one height, which is a multiple of 8, w at most 2048.
        options: Ranges of the changes.
        seed: In [0, 2**32); a crop's change depends on it and on the crop's position alone.

    Returns:
        New crops of the same sizes.

    Raises:
        ParameterValueError: The seed is none.
    """
    check_seed(seed)
    changed = [crop.copy() for crop in crops]
    if not is_active(options):
        return changed
    keys_of = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))
    for canvas, indices in _batches([crop.shape[1] for crop in crops]):
        rows = np.resize(indices, ROWS)  # Repeats the indices: one shape for every batch.
        widths = np.array([crops[i].shape[1] for i in rows], np.int32)
        padded = np.stack([_padded(crops[i], canvas) for i in rows])
        keys = keys_of(rows.astype(np.uint32))
        results = np.asarray(_augment(keys, padded, widths, options=options))
        for index, result in zip(indices, results, strict=False):
            changed[index] = np.rint(result[:, : crops[index].shape[1]]).astype(np.uint8)
    return changed


def check_seed(seed: int) -> int:
    """The seed, if it is one; raises `ParameterValueError` where it is none."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ParameterValueError(f"seed: expected an integer in [0, 2**32), got {seed!r}")
    return seed


def _batches(widths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """(canvas width, at most ROWS indices)."""
    by_canvas: dict[int, list[int]] = defaultdict(list)
    for index, width in enumerate(widths):
        by_canvas[next(c for c in CANVASES if c >= width)].append(index)
    for canvas, indices in sorted(by_canvas.items()):
        for start in range(0, len(indices), ROWS):
            yield canvas, indices[start : start + ROWS]


def _padded(crop: ImageArray, canvas: int) -> ImageArray:
    """The crop on its canvas, its last column repeated, so that filters do not see a border."""
    return np.pad(crop, ((0, 0), (0, canvas - crop.shape[1]), (0, 0)), mode="edge")
