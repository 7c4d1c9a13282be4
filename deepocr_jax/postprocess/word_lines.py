"""Words that stand one after the other -> the line crop in which they are read together.

Recognizers learn lines, and a line's crop has less padding than its words' crops together. Words
far apart, as in a table's cells, stay apart: of FUNSD's words in their true boxes 91.8 % are read
rightly alone, 91.6 % with neighbours up to 0.8 or 1.5 heights away, 90.4 % up to 3 (10 forms).
"""

from dataclasses import dataclass

import numpy as np

from deepocr_jax.geometry.boxes import boxes_to_quads, directions, normalize_phi
from deepocr_jax.postprocess.reading_order import order_regions


@dataclass(frozen=True)
class JoinParams:
    """When neighbouring words are read together; lengths in units of the lower word's height.

    Attributes:
        max_gap: Largest gap along the line.
        max_drop: Largest distance of the middles across the line.
        max_height_ratio: Of the heights.
        max_turn_deg: Between the directions of words long enough to have one.
        max_aspect: Longest line, in its own heights; longer ones would be squeezed.
        margin: Added on all sides of a line, in units of its height: recognizers want some room.
    """

    max_gap: float = 0.8
    max_drop: float = 0.4
    max_height_ratio: float = 1.8
    max_turn_deg: float = 8.0
    max_aspect: float = 40.0
    margin: float = 0.2


_DEFAULT = JoinParams()


@dataclass(frozen=True)
class WordLine:
    """Words read together: their indices in the order of reading, and the box around them."""

    members: np.ndarray
    box: np.ndarray


def join_words(boxes: np.ndarray, params: JoinParams = _DEFAULT) -> list[WordLine]:
    """Groups the words of a page.

    Args:
        boxes: [n, 5] words (row, col, phi, length1, length2) in pixels.
        params: Limits.

    Returns:
        Lines; every word is in one of them.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    order, line_index = order_regions(boxes)
    lines: list[list[int]] = []
    for index in order.tolist():
        last = lines[-1] if lines else []
        together = bool(last) and line_index[last[-1]] == line_index[index]
        if together and _joins(boxes, last, index, params):
            last.append(index)
        else:
            lines.append([index])
    return [_line(boxes, np.array(members, np.intp), params.margin) for members in lines]


def _joins(boxes: np.ndarray, line: list[int], index: int, params: JoinParams) -> bool:
    a, b = boxes[line[-1]], boxes[index]
    low, high = sorted((2 * float(a[4]), 2 * float(b[4])))
    low = max(low, 1e-6)
    if high > params.max_height_ratio * low:
        return False
    long = min(a[3] / max(a[4], 1e-6), b[3] / max(b[4], 1e-6)) > 2
    turn = abs(float(normalize_phi(b[2] - a[2])))
    if turn > np.deg2rad(params.max_turn_deg if long else 45):
        return False
    phi = _mean_direction(boxes[[line[-1], index]])
    along, across = directions(np.asarray(phi))
    offset = b[:2] - a[:2]
    gap = float(offset @ along) - a[3] - b[3]
    # A word may overlap its neighbour a little, but not stand over it.
    if not -0.5 * low <= gap <= params.max_gap * low:
        return False
    if abs(float(offset @ across)) > params.max_drop * low:
        return False
    reach = float((b[:2] - boxes[line[0]][:2]) @ along) + b[3] + boxes[line[0]][3]
    return reach <= params.max_aspect * high


def _mean_direction(boxes: np.ndarray) -> float:
    """Mean angle, by length: the direction of short words is mostly noise."""
    return float(np.angle(np.sum(boxes[:, 3] * np.exp(1j * boxes[:, 2]))))


def _line(boxes: np.ndarray, members: np.ndarray, margin: float) -> WordLine:
    words = boxes[members]
    box = words[0].copy() if len(words) == 1 else _around(words)
    box[3:] += 2 * margin * box[4]
    return WordLine(members, box)


def _around(words: np.ndarray) -> np.ndarray:
    """The box around words of one line."""
    phi = _mean_direction(words)
    first, last = words[0, :2], words[-1, :2]
    if np.linalg.norm(last - first) > 2 * words[:, 4].max():
        # The line through the words is known better than their directions.
        steps = last - first
        found = np.arctan2(-steps[0], steps[1])
        if abs(float(normalize_phi(np.asarray(found - phi)))) < np.pi / 8:
            phi = float(found)
    along, across = directions(np.asarray(phi))
    corners = boxes_to_quads(words).reshape(-1, 2)
    x, y = corners @ along, corners @ across
    middle = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    centre = middle[0] * along + middle[1] * across
    half = (x.max() - x.min()) / 2, (y.max() - y.min()) / 2
    return np.array([*centre, float(normalize_phi(np.asarray(phi))), *half])
