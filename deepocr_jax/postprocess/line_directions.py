"""Which way text regions read, as far as their shapes tell.

A region's box tells the line along which it reads, not from which end. Here the regions of a page
are made to agree: those along the page's main axis read the same way, and so do those across it.
Which way up each of the two groups stands is for a network to tell.
"""

import numpy as np

from deepocr_jax.geometry.boxes import normalize_phi, turn_boxes

# A region higher than wide by less than this is a short word, not a line across the page's axis.
SHORT_ASPECT = 2.5
# One that is longer than high by this has a direction of its own.
CLEAR_ASPECT = 1.5
SAME_DEGREES = 10
# Text along the rows but for this angle is found and read as it lies. Chosen on the ICDAR 2015
# pictures, where 12 and 20 degrees do as well.
UPRIGHT_RAD = np.deg2rad(15.0)
# Text along an axis lies within this angle of it: perspective turns lines of one direction apart.
# Chosen on turned ICDAR 2015 pictures, where 20 degrees do as well.
ALONG_RAD = np.deg2rad(25.0)
# A direction with this share of a page's text is the page's. Chosen on the ICDAR 2015 pictures,
# where half does as well.
PREVAILING = 0.35


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


def prevailing_axis(boxes: np.ndarray, weights: np.ndarray) -> float | None:
    """The angle along which most of a page's text lies, as far as boxes [n, 5] tell it.

    Args:
        boxes: [n, 5] regions or words.
        weights: [n], see `direction_votes`.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle has `PREVAILING` of the votes.
    """
    return angle_of_votes(boxes[:, 2], direction_votes(boxes, weights), PREVAILING)


def angle_of_votes(angles: np.ndarray, votes: np.ndarray, least_share: float) -> float | None:
    """The angle that most votes are for, whichever way up.

    Args:
        angles: [n] in radians.
        votes: [n] from 0 on.
        least_share: Of the votes.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle has that share, give or take `SAME_DEGREES`.
    """
    if not votes.any():
        return None
    degrees = np.rint(np.rad2deg(angles)).astype(int) % 180
    by_degree = np.bincount(degrees, votes, minlength=180)
    # Lines of one direction differ by perspective.
    shifts = np.arange(-SAME_DEGREES, SAME_DEGREES + 1)
    near = by_degree[(np.arange(180)[:, None] + shifts) % 180].sum(axis=1)
    best = int(np.argmax(near))
    if near[best] < least_share * votes.sum():
        return None
    mine = np.abs((degrees - best + 90) % 180 - 90) <= SAME_DEGREES
    # Twice the angle is the same for both directions of a line.
    return float(np.angle(np.sum(votes[mine] * np.exp(2j * angles[mine])))) / 2


def oblique_axis(boxes: np.ndarray, weights: np.ndarray, axis: float) -> float | None:
    """The angle of a page's text that lies neither along its axis nor across it.

    Args:
        boxes: [n, 5] regions or words.
        weights: [n], see `direction_votes`.
        axis: Of the page.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle of such text has `PREVAILING` of its votes, or
        where such text has less than `PREVAILING` of all votes.
    """
    oblique = ~(is_along(boxes, axis) | is_along(boxes, axis + np.pi / 2))
    votes = direction_votes(boxes, weights)
    if votes[oblique].sum() < PREVAILING * votes.sum():
        return None
    return prevailing_axis(boxes[oblique], weights[oblique])


def direction_votes(boxes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much each box [n, 5] tells of the direction of a page's text: [n].

    Its weight ([n]) times its length; nothing if it is hardly longer than high.
    """
    clear = boxes[:, 3] >= CLEAR_ASPECT * np.maximum(boxes[:, 4], 0.5)
    return np.where(clear, weights * boxes[:, 3], 0.0)


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
