"""Which way text regions read, as far as their shapes tell.

A region's box tells the line along which it reads, not from which end. Here the regions of a page
are made to agree: those along the page's main axis read the same way, and so do those across it.
Which way up each of the two groups stands is for a network to tell.
"""

import numpy as np

from deepocr_jax.geometry.boxes import normalize_phi, turn_boxes

# A region higher than wide by less than this is a short word, not a line across the page's axis.
SHORT_ASPECT = 2.5
# Text along the rows but for this angle is found and read as it lies. Chosen on the ICDAR 2015
# pictures, where 12 and 20 degrees do as well.
UPRIGHT_RAD = np.deg2rad(15.0)
# Text along an axis lies within this angle of it: perspective turns lines of one direction apart.
# Chosen on turned ICDAR 2015 pictures, where 20 degrees do as well.
ALONG_RAD = np.deg2rad(25.0)


def quarter_turns(boxes: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The same rectangles with the reading direction turned by quarters: [n, 5], [n] -> [n, 5]."""
    turned = boxes.copy()
    turned[:, 2] = normalize_phi(boxes[:, 2] + turns * np.pi / 2)
    odd = turns % 2 == 1
    turned[odd, 3], turned[odd, 4] = boxes[odd, 4], boxes[odd, 3]
    return turned


def direct_boxes(boxes: np.ndarray, orientation_rad: float) -> np.ndarray:
    """The boxes with that of their four directions which is nearest to a given one."""
    return quarter_turns(boxes, np.round((orientation_rad - boxes[:, 2]) / (np.pi / 2)))


def page_axis(boxes: np.ndarray) -> float:
    """The angle along which the long regions of a page lie, in (-3/4 pi, pi/4]; 0 without any.

    So an axis reads to the right, or downwards where it is steep.
    """
    long = boxes[_is_long(boxes)]
    if not len(long):
        return 0.0
    # Four times the angle is the same for all four directions of a rectangle, so lines across the
    # axis do not cancel those along it.
    angle = float(np.angle(np.sum(long[:, 3] * np.exp(4j * long[:, 2])))) / 4
    along = np.sum(long[:, 3] * np.cos(2 * (long[:, 2] - angle)))
    return _downwards(angle if along >= 0 else angle + np.pi / 2)


def is_across(boxes: np.ndarray, axis: float) -> np.ndarray:
    """Which boxes' reading direction is nearer to the perpendicular of an axis: [n, 5] -> [n]."""
    return np.abs(np.sin(boxes[:, 2] - axis)) > np.sqrt(0.5) + 1e-6


def is_upright(phi: float) -> bool:
    """Whether text in a direction lies about along an image's rows, whichever way up."""
    return abs(np.sin(phi)) <= np.sin(UPRIGHT_RAD)


def is_along(boxes: np.ndarray, axis: float) -> np.ndarray:
    """Which boxes read about along an axis, from either end: [n, 5] -> [n]."""
    return np.abs(np.sin(boxes[:, 2] - axis)) <= np.sin(ALONG_RAD)


def agree_on_directions(boxes: np.ndarray, axis: float | None = None) -> np.ndarray:
    """The boxes [n, 5] of a page's regions, reading the same way along its axis, and across it.

    Short regions take the page's axis: a "1" is higher than wide, but no line. The axis is
    `page_axis` of the boxes unless it is known.
    """
    if not len(boxes):
        return boxes
    axis = page_axis(boxes) if axis is None else _downwards(axis)
    across = is_across(boxes, axis)
    strange = across & ~_is_long(boxes)
    turns = np.where(strange, np.round((axis - boxes[:, 2]) / (np.pi / 2)), 0)
    boxes = quarter_turns(boxes, turns)
    wanted = np.where(across & ~strange, _downwards(axis + np.pi / 2), axis)
    return turn_boxes(boxes, np.cos(boxes[:, 2] - wanted) < 0)


def _is_long(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 3] >= SHORT_ASPECT * np.maximum(boxes[:, 4], 0.5)


def _downwards(angle: float) -> float:
    """That of an axis' two directions which lies in (-3/4 pi, pi/4]."""
    return angle - np.pi * np.ceil((angle - np.pi / 4) / np.pi - 1e-9)
