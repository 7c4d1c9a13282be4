"""Score maps -> rotated boxes of words.

A word is a connected region of the pixels that are a character's or a link's, as in CRAFT (Baek et
al., arXiv 1904.01941, section 3.3). Its direction is read off the direction maps, so a box needs no
search for the best rectangle, and text that stands on its head is known to.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import directions


@dataclass(frozen=True)
class ScoreMapParams:
    """Thresholds, and how much of a cell a character's score covers.

    Attributes:
        min_character_score: From which a pixel counts as a character's.
        min_link_score: From which a pixel counts as a link's.
        min_word_score: Least peak of a word's character score.
        min_word_area: Least area of a word's box, in square pixels of the map.
        character_sigma: Of a character's Gaussian, in half cells; as in training.
        end_share: Width of a word's first and last cell, in units of its height.
    """

    min_character_score: float = 0.5
    min_link_score: float = 0.3
    min_word_score: float = 0.7
    min_word_area: float = 2.5
    character_sigma: float = 0.5
    end_share: float = 0.5


def find_words(maps: np.ndarray, params: ScoreMapParams) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of the words on score maps.

    Args:
        maps: [h, w, 4] float32: scores of characters and links, sin and cos of the direction.
        params: Thresholds.

    Returns:
        Boxes [n, 5] in map pixels, `geometry.boxes.scale_boxes` takes them to the image; and the
        words' scores [n].
    """
    character = np.ascontiguousarray(maps[..., 0])
    link = np.ascontiguousarray(maps[..., 1])
    text = (character >= params.min_character_score) | (link >= params.min_link_score)
    # By sides only: across corners small words would touch.
    count, labels = cv2.connectedComponents(text.astype(np.uint8), connectivity=4)
    if count == 1:
        return np.zeros((0, 5)), np.zeros(0)
    pixels = np.flatnonzero(text)
    label = labels.ravel()[pixels]
    order = np.argsort(label, kind="stable")
    pixels, label = pixels[order], label[order] - 1
    starts = np.flatnonzero(np.diff(label, prepend=-1))

    score = character.ravel()[pixels]
    peak = np.maximum.reduceat(score, starts)
    weight = np.maximum(score - params.min_character_score, 0.0) + 1e-6

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(label, values, count - 1)

    row, col = np.divmod(pixels, maps.shape[1])
    sin, cos = (total(weight * maps[..., i].ravel()[pixels]) for i in (2, 3))
    phi = np.arctan2(sin, cos)
    mass = total(weight)
    centre = np.stack([total(weight * row), total(weight * col)], axis=1) / mass[:, None]
    to_along, to_across = directions(phi)
    offset = np.stack([row, col], axis=1) - centre[label]
    along = np.einsum("ij,ij->i", offset, to_along[label])
    across = np.einsum("ij,ij->i", offset, to_across[label])
    unit_mass, unit_spread = _unit_cell(params)
    length2 = np.sqrt(total(weight * across**2) / mass / unit_spread)
    # The outermost pixels end half a pixel further, the cells a part of their width beyond that.
    beyond = 0.5 + (1 - _reach(params)) * params.end_share * length2
    low = np.minimum.reduceat(along, starts) - beyond
    high = np.maximum.reduceat(along, starts) + beyond
    # Without a link it is one character, whose volume tells its width.
    alone = np.maximum.reduceat(link.ravel()[pixels], starts) < params.min_link_score
    width = mass / np.maximum(length2 * unit_mass, 1e-9)
    low, high = np.where(alone, -width, low), np.where(alone, width, high)
    boxes = np.column_stack(
        [centre + ((low + high) / 2)[:, None] * to_along, phi, (high - low) / 2, length2]
    )
    kept = (peak >= params.min_word_score) & (4 * boxes[:, 3] * boxes[:, 4] >= params.min_word_area)
    return boxes[kept], peak[kept].astype(np.float64)


def _reach(params: ScoreMapParams) -> float:
    """How far a character's score stays above its threshold, in half cells."""
    return params.character_sigma * float(np.sqrt(-2 * np.log(params.min_character_score)))


def _unit_cell(params: ScoreMapParams) -> tuple[float, float]:
    """Volume and variance along an axis of what exceeds the threshold, in units of half a cell.

    Of a round Gaussian exp(-r^2 / (2 s^2)) minus the threshold t, cut off where that is zero.
    """
    t, s2 = params.min_character_score, params.character_sigma**2
    edge = -2 * s2 * np.log(t)  # The squared radius there.
    mass = 2 * s2 * (1 - t) - t * edge
    moment = 4 * s2**2 * (1 - t) - 2 * s2 * t * edge - t * edge**2 / 2
    return float(np.pi * mass), float(moment / mass / 2)
