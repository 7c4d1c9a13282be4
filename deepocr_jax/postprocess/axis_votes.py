"""The axes along which a page's text reads, by the votes of places or of boxes that show text."""

import numpy as np

from deepocr_jax.postprocess.line_directions import ALONG_RAD

# Vectors shorter than this are no text.
LEAST_SURENESS = 0.3
# A vector votes by this power of its length: one that is half as sure, an eighth as much. Chosen on
# the ICDAR 2015 pictures, as are the angle and the shares below.
SHARPNESS = 3
# Lines of one direction differ by perspective.
SAME_DEGREES = 10
# A direction with this share of the votes of a page's places is the page's, with the second that of
# the votes of its boxes.
PREVAILING, PREVAILING_OF_BOXES = 0.2, 0.35
# A box that is longer than high by this has a direction of its own.
CLEAR_ASPECT = 1.5
# One that lies at an angle to the page's is searched by itself from this share of all votes on.
OBLIQUE = 0.35


def prevailing_axis(vectors: np.ndarray) -> float | None:
    """The angle along which most of a page's text reads.

    Args:
        vectors: [..., 2] as `models.text_axes` has them.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle has `PREVAILING` of the votes.
    """
    return _prevailing(*_votes(vectors), PREVAILING)


def prevailing_axis_of_boxes(boxes: np.ndarray, weights: np.ndarray) -> float | None:
    """The angle along which most of a page's text lies, as far as boxes [n, 5] tell it.

    Args:
        boxes: [n, 5] regions or words.
        weights: [n] how much each counts for its length.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle has `PREVAILING_OF_BOXES` of the votes.
    """
    clear = boxes[:, 3] >= CLEAR_ASPECT * np.maximum(boxes[:, 4], 0.5)
    votes = np.where(clear, weights * boxes[:, 3], 0.0)
    return _prevailing(boxes[:, 2], votes, PREVAILING_OF_BOXES)


def oblique_axis(vectors: np.ndarray, axis: float) -> float | None:
    """The angle of a page's text that reads neither along its axis nor across it.

    Args:
        vectors: [..., 2] as `models.text_axes` has them.
        axis: Of the page.

    Returns:
        In (-pi / 2, pi / 2]; None where such text has less than `OBLIQUE` of the votes, or no angle
        has `PREVAILING` of them.
    """
    angles, votes = _votes(vectors)
    # Half a quarter turn off the axis is farthest from it and from what lies across.
    oblique = np.abs(np.sin(2 * (angles - axis))) > np.sin(2 * ALONG_RAD)
    if votes[oblique].sum() < OBLIQUE * votes.sum():
        return None
    return _prevailing(angles[oblique], votes[oblique], PREVAILING)


def _votes(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angles [n] in (-pi / 2, pi / 2] that places with text read along, and their votes [n]."""
    x, y = vectors[..., 0].ravel(), vectors[..., 1].ravel()
    sureness = np.hypot(x, y)
    shows = sureness >= LEAST_SURENESS
    return np.arctan2(y[shows], x[shows]) / 2, sureness[shows] ** SHARPNESS


def _prevailing(angles: np.ndarray, votes: np.ndarray, least_share: float) -> float | None:
    if not votes.any():
        return None
    degrees = np.rint(np.rad2deg(angles)).astype(int) % 180
    by_degree = np.bincount(degrees, votes, minlength=180)
    shifts = np.arange(-SAME_DEGREES, SAME_DEGREES + 1)
    near = by_degree[(np.arange(180)[:, None] + shifts) % 180].sum(axis=1)
    best = int(np.argmax(near))
    if near[best] < least_share * votes.sum():
        return None
    mine = np.abs((degrees - best + 90) % 180 - 90) <= SAME_DEGREES
    # Twice the angle is the same for both directions of a line.
    return float(np.angle(np.sum(votes[mine] * np.exp(2j * angles[mine])))) / 2
