"""Where the ink is in an upright line crop: a mask, and its connected parts."""

from dataclasses import dataclass

import cv2
import numpy as np

from deepocr_jax.geometry.crops import crop_box

# Otsu classes nearer than this (gray values) are noise, not text.
MIN_CONTRAST = 18.0


@dataclass(frozen=True)
class Ink:
    """The ink of a crop.

    Attributes:
        labels: [h, w] the number of the connected part that a pixel belongs to; 0: none.
        parts: [n] numbers of the parts that are ink, not neighbours' remains or ruled lines.
        left, right, top, bottom: [n] extents of the parts; right and bottom exclusive.
    """

    labels: np.ndarray
    parts: np.ndarray
    left: np.ndarray
    right: np.ndarray
    top: np.ndarray
    bottom: np.ndarray


def find_ink(crop: np.ndarray, margin: float) -> Ink | None:
    """Separates text from background in an upright line crop.

    Args:
        crop: [h, w, 3] uint8.
        margin: Share of the height, above and below, that lies outside the detected core of the
            line. Parts that stay within it are remains of the neighbouring lines.

    Returns:
        The ink, or None where there is no contrast.
    """
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    mask = _ink_mask(gray)
    if mask is None:
        return None
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    left, top, width, height, area = stats[1:].T
    right, bottom = left + width, top + height
    h, w = gray.shape
    edge = margin * h
    touches_top, touches_bottom = top == 0, bottom == h
    neighbour = (touches_top & (bottom <= edge + 0.1 * h)) | (
        touches_bottom & (top >= h - edge - 0.1 * h)
    )
    neighbour |= (bottom <= 0.5 * edge) | (top >= h - 0.5 * edge)
    rule = (width > 2.5 * h) & (height < 0.12 * h + 1)
    rule |= touches_top & touches_bottom & (width < 0.12 * h + 1)
    # A dark band at an end of the crop, from edge to edge: a shadow, not ink.
    rule |= (
        touches_top & touches_bottom & ((left == 0) | (right == w)) & (area > 0.7 * width * height)
    )
    speck = area < 3
    kept = ~(neighbour | rule | speck)
    if not kept.any():
        return None
    parts = np.flatnonzero(kept) + 1
    return Ink(labels, parts, left[kept], right[kept], top[kept], bottom[kept])


def _ink_mask(gray: np.ndarray) -> np.ndarray | None:
    """[h, w] uint8 gray -> 1 where there is ink: the Otsu class that the border is not made of."""
    threshold, dark = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    inside = cv2.mean(gray, dark)[0]
    outside = cv2.mean(gray, 1 - dark)[0]
    if outside - inside < MIN_CONTRAST:
        return None
    share = dark.mean()
    border = (dark[0].mean() + dark[-1].mean()) / 2
    # Ink is the rarer class; where both are common, the border tells the background.
    is_dark = share < 0.35 or (share < 0.65 and border < 0.5)
    return dark if is_dark else 1 - dark


def column_gaps(ink: Ink) -> tuple[np.ndarray, np.ndarray]:
    """Runs of columns without ink: starts and stops (exclusive), including the outer ones."""
    # A connected part has ink in every column of its extent.
    change = np.zeros(ink.labels.shape[1] + 1, np.int64)
    np.add.at(change, ink.left, 1)
    np.add.at(change, ink.right, -1)
    empty = np.concatenate([[0], np.cumsum(change[:-1]) == 0, [0]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(empty))
    return edges[::2], edges[1::2]


def align_crop(crop: np.ndarray, max_angle_rad: float = 0.6) -> np.ndarray:
    """Turns a word crop so that its ink lies level, and cuts it tight.

    Args:
        crop: [h, w, 3] uint8.
        max_angle_rad: Larger estimates are taken for an accident, and the crop returned as it is.
    """
    ink = find_ink(crop, 0.0)
    if ink is None:
        return crop
    points = cv2.findNonZero(np.isin(ink.labels, ink.parts).astype(np.uint8))
    (x, y), (width, height), degrees = cv2.minAreaRect(points)
    angle = np.deg2rad(degrees)
    if height > width:
        width, height, angle = height, width, angle - np.pi / 2
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    if abs(angle) > max_angle_rad or width < 2 * height:
        return crop
    pad = 0.15 * height
    box = np.array([y, x, -angle, width / 2 + pad, height / 2 + pad])
    return crop_box(crop, box, max(1, round(2 * box[4])), max(1, round(2 * box[3])))
