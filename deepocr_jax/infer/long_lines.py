"""Crops of any length -> readings: what is wider than a canvas is read in overlapping pieces."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deepocr_jax.infer.buckets import tile_starts
from deepocr_jax.infer.readings import Reading, RecognitionSettings, joined, read_short
from deepocr_jax.infer.recognizer import LINE_HEIGHT, RecognizerNet

# Columns that neighbours share: some eight characters. In the middle of it both see a character
# whole, with its neighbours.
OVERLAP = 4 * LINE_HEIGHT
# The same character in both, if it lies that near: half the width of a narrow one.
SAME_PX = 6
# OpenCV makes no crops of more columns than 2**15 - 1; longer lines are squeezed.
MOST_COLUMNS = 32_000


def read_crops(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright line crops.

    Args:
        crops: [LINE_HEIGHT, w, 3] uint8 RGB each.
        net: The recognizer.
        settings: How they are read.
        pool: Runs groups side by side, if given.

    Returns:
        One reading a crop, independent of the other crops.
    """
    most = settings.max_width
    starts = [tile_starts(crop.shape[1], most, min(OVERLAP, most // 2)) for crop in crops]
    pieces = [
        crop[:, start : start + most]
        for crop, of_crop in zip(crops, starts, strict=True)
        for start in of_crop
    ]
    read = iter(read_short(pieces, net, settings, pool))
    return [join_pieces([next(read).moved(s) for s in each], each, most) for each in starts]


def join_pieces(pieces: Sequence[Reading], starts: Sequence[int], width: int) -> Reading:
    """The reading of a crop from those of its pieces.

    Args:
        pieces: From left to right, in columns of the crop.
        starts: The first column of each piece.
        width: Columns of each.
    """
    parts, rest = [], pieces[0]
    for following, start, before in zip(pieces[1:], starts[1:], starts[:-1], strict=True):
        stop, begin = seam(rest, following, start, before + width)
        parts.append(rest.part(0, stop))
        rest = following.part(begin, len(following.text))
    return joined([*parts, rest]) if parts else rest


def seam(left: Reading, right: Reading, begin: float, end: float) -> tuple[int, int]:
    """Where one reading ends and the next one goes on: (characters of the left one, first right).

    After the character nearest to the middle of the shared columns that both have; in the middle,
    where there is none.
    """
    middle = (begin + end) / 2
    first, other = left.centres, right.centres
    shared = [
        (abs(first[i] - middle), i, j)
        for i in np.flatnonzero((first >= begin) & (first < end)).tolist()
        for j in np.flatnonzero(np.abs(other - first[i]) <= SAME_PX).tolist()
        if left.text[i] == right.text[j]
    ]
    if shared:
        _, i, j = min(shared)
        return i + 1, j + 1
    return int(np.searchsorted(first, middle)), int(np.searchsorted(other, middle))
