"""How the words of a text line are set: one size and baseline for those that stand in a row."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deepocr_jax.export.pages import ExportWord
from deepocr_jax.geometry.boxes import directions

# Of two neighbouring words in a row.
MAX_TURN_RAD = math.radians(3.0)

MIN_GAP = 0.16
"""Readers see two words where there is this much between them, in font sizes (poppler 0.15)."""

MAX_TRIM_PT = 2.0
"""Most that a word is shortened at an end, so that it keeps its distance."""

# Smallest half length and half height that text is set in, in pixels.
_MIN_HALF = 0.1


@dataclass(frozen=True)
class SetWord:
    """A word as it is set.

    Attributes:
        text: The text.
        row, col: The middle of its baseline, in pixels of the image.
        phi: Reading direction in radians.
        length: Along its baseline, in pixels.
        size: Of the font, in pixels.
        above, below: Height over and under the baseline, in pixels.
    """

    text: str
    row: float
    col: float
    phi: float
    length: float
    size: float
    above: float
    below: float


def set_words(words: Sequence[ExportWord], scale: float) -> list[SetWord]:
    """The words of a line that have text, as they are set.

    Args:
        words: In reading order.
        scale: Points a pixel.
    """
    shown = [word for word in words if word.text.strip()]
    return [placed for row in _rows(shown) for placed in _set_row(row, scale)]


def on_middle_line(word: SetWord) -> SetWord:
    """A word set on the line through its middle.

    Readers that know upright boxes alone let that of an oblique word start and end where its
    baseline does. From the middle line the word reaches equally far beyond both ends.
    """
    middle = (word.above - word.below) / 2
    row, col = ((word.row, word.col) - directions(np.asarray(word.phi))[1] * middle).tolist()
    half = (word.above + word.below) / 2
    return replace(word, row=row, col=col, above=half, below=half)


def _rows(words: Sequence[ExportWord]) -> Iterator[list[ExportWord]]:
    """Neighbours of about one direction and height on the page."""
    row: list[ExportWord] = []
    for word in words:
        if row and not _in_row(row[-1].box, word.box):
            yield row
            row = []
        row.append(word)
    if row:
        yield row


def _in_row(before: np.ndarray, box: np.ndarray) -> bool:
    if math.cos(box[2] - before[2]) < math.cos(MAX_TURN_RAD):
        return False
    _, across = directions(before[2])
    offset = abs(float((box[:2] - before[:2]) @ across))
    return offset < max(box[4], before[4])


def _set_row(words: list[ExportWord], scale: float) -> Iterator[SetWord]:
    boxes = np.stack([word.box for word in words])
    boxes[:, 3:] = np.maximum(boxes[:, 3:], _MIN_HALF)
    size = 2 * float(boxes[:, 4].max())
    ends = _ends(boxes, MIN_GAP * size, MAX_TRIM_PT / scale)
    # Most words have nothing below the line that they stand on.
    turn = float(np.median(boxes[:, 2] - boxes[0, 2])) + boxes[0, 2]
    across = directions(np.asarray(turn))[1]
    baseline = float(np.median(boxes[:, :2] @ across + boxes[:, 4]))
    for word, box, (start, end) in zip(words, boxes, ends, strict=True):
        along, down = directions(box[2])
        below_centre = min(max(baseline - float(box[:2] @ across), 0.0), float(box[4]))
        row, col = (box[:2] + along * (start + end) / 2 + down * below_centre).tolist()
        above, below = float(box[4]) + below_centre, float(box[4]) - below_centre
        yield SetWord(word.text, row, col, float(box[2]), end - start, size, above, below)


def _ends(boxes: np.ndarray, min_gap: float, max_trim: float) -> list[tuple[float, float]]:
    """Where each word starts and ends along its direction, from its centre.

    Words nearer to each other than readers tell apart are shortened a little at those ends.
    """
    starts, ends = -boxes[:, 3], boxes[:, 3].copy()
    for i in range(len(boxes) - 1):
        along = directions(boxes[i, 2])[0]
        gap = float((boxes[i + 1, :2] - boxes[i, :2]) @ along) - boxes[i, 3] - boxes[i + 1, 3]
        if -min_gap < gap < min_gap:
            trim = min((min_gap - gap) / 2, max_trim)
            ends[i] -= min(trim, boxes[i, 3] / 2)
            starts[i + 1] += min(trim, boxes[i + 1, 3] / 2)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
