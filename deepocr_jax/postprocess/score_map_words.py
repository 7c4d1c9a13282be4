"""Score maps -> rotated boxes of words.

A word is a connected region of the pixels that are a character's or a link's, as in CRAFT (Baek et
al., arXiv 1904.01941, section 3.3). Its direction is read off the direction maps, so a box needs no
search for the best rectangle, and text that stands on its head is known to.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import directions, normalize_phi

# Direction maps are sure of a word where their mean has this length. How much longer than high it
# must be for its axis to tell the angle better than they do, as a ratio of the standard deviations
# of its pixels; and how far that may be from what sure maps tell: further, and letters are stacked,
# each of them upright.
SURE = 0.9
LONG, LONG_UNSURE = 3.0, 2.0
MOST_OFF_RAD = np.deg2rad(60)


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
    regions = _find_regions(text)
    if not len(regions.starts):
        return np.zeros((0, 5)), np.zeros(0)
    score = character.ravel()[regions.pixels]
    peak = np.maximum.reduceat(score, regions.starts)
    linked = np.maximum.reduceat(link.ravel()[regions.pixels], regions.starts)
    boxes = _boxes(maps, regions, score, linked >= params.min_link_score, params)
    areas = 4 * boxes[:, 3] * boxes[:, 4]
    kept = (peak >= params.min_word_score) & (areas >= params.min_word_area)
    return boxes[kept], peak[kept].astype(np.float64)


class _Regions(NamedTuple):
    """Connected pixels, region after region: where in the map, of which region; the firsts."""

    pixels: np.ndarray
    region: np.ndarray
    starts: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """[p] -> [n], a sum for each region."""
        return np.bincount(self.region, values, len(self.starts))


def _find_regions(mask: np.ndarray) -> _Regions:
    # Connected by sides only: across corners small words would touch.
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    pixels = np.flatnonzero(mask)
    label = np.asarray(labels).ravel()[pixels].astype(np.int64)
    order = np.argsort(label, kind="stable")
    pixels, region = pixels[order], label[order] - 1
    return _Regions(pixels, region, np.flatnonzero(np.diff(region, prepend=-1)))


def _boxes(
    maps: np.ndarray,
    regions: _Regions,
    score: np.ndarray,
    linked: np.ndarray,
    params: ScoreMapParams,
) -> np.ndarray:
    """The boxes [n, 5] of regions, by the scores of their pixels; `linked` [n]: has a link."""
    # The part over the threshold fades to nothing at a region's edge, so pixels that come and go
    # there change little.
    weight = np.maximum(score - params.min_character_score, 0.0) + 1e-6
    mass = regions.sums(weight)
    row, col = np.divmod(regions.pixels, maps.shape[1])
    sin, cos = (maps[..., i].ravel()[regions.pixels] for i in (2, 3))
    mean_sin, mean_cos = regions.sums(weight * sin) / mass, regions.sums(weight * cos) / mass
    phi = np.arctan2(mean_sin, mean_cos)
    centre = np.stack([regions.sums(weight * row), regions.sums(weight * col)], axis=1)
    centre /= mass[:, None]
    offset = np.stack([row, col], axis=1) - centre[regions.region]
    sure = np.hypot(mean_sin, mean_cos) > SURE
    phi = np.where(linked, _along_axis(phi, sure, regions, weight, offset), phi)
    to_along, to_across = directions(phi)
    along = np.einsum("ij,ij->i", offset, to_along[regions.region])
    across = np.einsum("ij,ij->i", offset, to_across[regions.region])

    unit_mass, unit_spread = _unit_cell(params)
    length2 = np.sqrt(regions.sums(weight * across**2) / mass / unit_spread)
    # The outermost pixels end half a pixel further, the cells a part of their width beyond that.
    beyond = 0.5 + (1 - _reach(params)) * params.end_share * length2
    low = np.minimum.reduceat(along, regions.starts) - beyond
    high = np.maximum.reduceat(along, regions.starts) + beyond
    # Without a link it is one character, whose volume tells its width.
    width = mass / np.maximum(length2 * unit_mass, 1e-9)
    low, high = np.where(linked, low, -width), np.where(linked, high, width)
    middle = centre + ((low + high) / 2)[:, None] * to_along
    return np.column_stack([middle, normalize_phi(phi), (high - low) / 2, length2])


def _along_axis(
    phi: np.ndarray, sure: np.ndarray, regions: _Regions, weight: np.ndarray, offset: np.ndarray
) -> np.ndarray:
    """Directions [n], those of long regions corrected to the region's own axis.

    The maps tell from which end a word is read, its pixels at which angle it lies: a degree moves
    the ends of its box, and where a network wavers between two directions, the mean is neither.
    `sure` [n]: it does not.
    """
    rows, cols = regions.sums(weight * offset[:, 0] ** 2), regions.sums(weight * offset[:, 1] ** 2)
    both = regions.sums(weight * offset[:, 0] * offset[:, 1])
    spread = np.hypot(cols - rows, 2 * both)
    least = np.where(sure, LONG, LONG_UNSURE) ** 2
    is_long = rows + cols + spread > least * (rows + cols - spread)
    axis = -0.5 * np.arctan2(2 * both, cols - rows)
    off = np.mod(phi - axis + np.pi / 2, np.pi) - np.pi / 2
    stacked = sure & (np.abs(off) > MOST_OFF_RAD)
    return np.where(is_long & ~stacked, phi - off, phi)


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
