"""The axes along which a page's text reads, by the votes of all places that show text."""

import numpy as np

from deepocr_jax.postprocess.line_directions import ALONG_RAD, angle_of_votes

# Vectors shorter than this are no text.
LEAST_SURENESS = 0.3
# A vector votes by this power of its length: one that is half as sure, an eighth as much. Chosen on
# the ICDAR 2015 pictures, as are the angle and the shares below.
SHARPNESS = 3
# A direction with this share of a page's votes is the page's.
PREVAILING = 0.2
# One that lies at an angle to the page's is searched by itself from this share of all votes on.
OBLIQUE = 0.35


def prevailing_axis(vectors: np.ndarray) -> float | None:
    """The angle along which most of a page's text reads.

    Args:
        vectors: [..., 2] as `models.text_axes` has them.

    Returns:
        In (-pi / 2, pi / 2]; None where no angle has `PREVAILING` of the votes.
    """
    return angle_of_votes(*_votes(vectors), PREVAILING)


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
    return angle_of_votes(angles[oblique], votes[oblique], PREVAILING)


def _votes(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angles [n] in (-pi / 2, pi / 2] that places with text read along, and their votes [n]."""
    x, y = vectors[..., 0].ravel(), vectors[..., 1].ravel()
    sureness = np.hypot(x, y)
    shows = sureness >= LEAST_SURENESS
    return np.arctan2(y[shows], x[shows]) / 2, sureness[shows] ** SHARPNESS
