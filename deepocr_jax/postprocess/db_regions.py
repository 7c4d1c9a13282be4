"""Text probability map -> rotated boxes of text regions.

Follows the box formation of DB (Liao et al., arXiv 1911.08947, section 3.5): threshold, contours,
minimum-area rectangles, mean probability as score, expansion by the area-to-perimeter ratio. The
expansion of a rectangle by a distance is a rectangle, so no polygon clipper is needed.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import normalize_phi


@dataclass(frozen=True)
class RegionParams:
    """Thresholds of the box formation.

    Attributes:
        min_pixel_score: Probability from which a pixel counts as text.
        min_region_score: Mean probability from which a region is kept.
        unclip_ratio: Expansion distance in units of area / perimeter.
        min_side_px: Regions thinner than this (before expansion, in map pixels) are dropped.
        max_regions: At most so many regions an image, largest first.
    """

    min_pixel_score: float = 0.3
    min_region_score: float = 0.5
    unclip_ratio: float = 1.6
    min_side_px: float = 3.0
    max_regions: int = 3000


def find_regions(scores: np.ndarray, params: RegionParams) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of the text regions in a probability map.

    Args:
        scores: [h, w] float32 in [0, 1].
        params: Thresholds.

    Returns:
        Boxes [n, 5] in map pixels (reading direction: the long side, towards the right, or
        downwards where vertical), and scores [n].
    """
    if not scores.size:
        return np.zeros((0, 5)), np.zeros(0)
    mask = (scores > params.min_pixel_score).astype(np.uint8)
    mask = cv2.dilate(mask, np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > params.max_regions:
        contours = sorted(contours, key=cv2.contourArea, reverse=True)[: params.max_regions]
    boxes, kept = [], []
    for contour in contours:
        box = _contour_box(contour)
        if 2 * min(box[3], box[4]) < params.min_side_px:
            continue
        score = _mean_score(scores, contour)
        if score < params.min_region_score:
            continue
        grow = _unclip_distance(box, params.unclip_ratio)
        if 2 * (min(box[3], box[4]) + grow) < params.min_side_px + 2:
            continue
        boxes.append((box[0], box[1], box[2], box[3] + grow, box[4] + grow))
        kept.append(score)
    return np.array(boxes, np.float64).reshape(-1, 5), np.array(kept, np.float64)


def _unclip_distance(box: tuple[float, ...], ratio: float) -> float:
    width, height = 2 * box[3], 2 * box[4]
    return width * height * ratio / (2 * (width + height))


def _contour_box(contour: np.ndarray) -> tuple[float, float, float, float, float]:
    """Minimum-area rectangle of a contour, as (row, col, phi, length1, length2)."""
    (x, y), (width, height), degrees = cv2.minAreaRect(contour)
    phi = -np.deg2rad(degrees)
    if height > width:
        width, height, phi = height, width, phi + np.pi / 2
    # The long side reads to the right: into (-pi/2, pi/2].
    phi = np.pi / 2 - np.mod(np.pi / 2 - phi, np.pi)
    if width < 1.5 * height:
        # Nearly square: either side may be the line; take the one nearer to the horizontal.
        if abs(phi) > np.pi / 4:
            width, height, phi = height, width, phi - np.sign(phi) * np.pi / 2
    elif np.isclose(phi, np.pi / 2, atol=np.deg2rad(1)):
        phi = -np.pi / 2 + (phi - np.pi / 2)
    # The dilation grows a region by a pixel to the right and down, so its centre moves by half.
    return y - 0.5, x - 0.5, float(normalize_phi(phi)), width / 2, height / 2


def _mean_score(scores: np.ndarray, contour: np.ndarray) -> float:
    """Mean probability inside a contour."""
    x, y, w, h = cv2.boundingRect(contour)
    mask = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [contour], 1, offset=(-x, -y))
    return cv2.mean(scores[y : y + h, x : x + w], mask)[0]
