"""Where the ink is in upright line crops: a mask, and its connected parts."""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class LineParts:
    """The connected parts of ink of several crops.

    Attributes:
        line: [n] number of the crop that a part is in.
        left, right, top, bottom: [n] extents within it; right and bottom exclusive.
    """

    line: np.ndarray
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
    mask = _ink_mask(crop)
    if mask is None:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    kept = _is_ink(stats[1:], mask.shape[0], mask.shape[1], margin)
    if not kept.any():
        return None
    left, top, width, height, _ = stats[1:][kept].T
    return Ink(labels, np.flatnonzero(kept) + 1, left, left + width, top, top + height)


def find_parts(crops: Sequence[np.ndarray], margin: float) -> LineParts:
    """The ink of several crops ([h, w, 3] uint8), found at once; see `find_ink`."""
    shapes = np.array([crop.shape[:2] for crop in crops], np.int64).reshape(-1, 2)
    # Side by side, a column of background between them.
    offsets = np.concatenate([[0], np.cumsum(shapes[:, 1] + 1)])
    strip = np.zeros((max(shapes[:, 0], default=0), offsets[-1]), np.uint8)
    for crop, offset in zip(crops, offsets[:-1], strict=True):
        mask = _ink_mask(crop)
        if mask is not None:
            strip[: mask.shape[0], offset : offset + mask.shape[1]] = mask
    stats = np.zeros((0, 5), np.int32)
    if strip.size:
        stats = cv2.connectedComponentsWithStats(strip, connectivity=8)[2][1:]
    line = np.searchsorted(offsets, stats[:, cv2.CC_STAT_LEFT], side="right") - 1
    stats = stats.astype(np.int64)
    stats[:, cv2.CC_STAT_LEFT] -= offsets[line]
    kept = _is_ink(stats, shapes[line, 0], shapes[line, 1], margin)
    left, top, width, height, _ = stats[kept].T
    return LineParts(line[kept], left, left + width, top, top + height)


def _is_ink(
    stats: np.ndarray, h: np.ndarray | int, w: np.ndarray | int, margin: float
) -> np.ndarray:
    """Which parts are ink of the line, by OpenCV's statistics [n, 5], in crops of h x w."""
    left, top, width, height, area = stats.T
    right, bottom = left + width, top + height
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
    return ~(neighbour | rule | speck)


def _ink_mask(crop: np.ndarray) -> np.ndarray | None:
    """[h, w, 3] -> 1 where there is ink: the Otsu class that the border is not made of."""
    gray = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    _, dark = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    inside = cv2.mean(gray, dark)[0]
    outside = cv2.mean(gray, 1 - dark)[0]
    if outside - inside < MIN_CONTRAST:
        return None
    share = cv2.countNonZero(dark) / dark.size
    border = (cv2.countNonZero(dark[0]) + cv2.countNonZero(dark[-1])) / (2 * dark.shape[1])
    # Ink is the rarer class; where both are common, the border tells the background.
    is_dark = share < 0.35 or (share < 0.65 and border < 0.5)
    return dark if is_dark else 1 - dark


def column_gaps(parts: LineParts, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of columns without ink in crops of the given widths, the outer ones included.

    Returns:
        For each run its crop, and where it starts and stops (exclusive) there; in order. Crops
        without any ink have none.
    """
    offsets = np.concatenate([[0], np.cumsum(widths + 1)])
    # A connected part has ink in every column of its extent.
    first, behind = (offsets[parts.line] + x for x in (parts.left, parts.right))
    size = int(offsets[-1]) + 1
    change = np.bincount(first, minlength=size) - np.bincount(behind, minlength=size)
    # Neither the columns between crops nor blank crops are gaps.
    solid = np.bincount(offsets[1:] - 1, minlength=size)
    blank = np.setdiff1d(np.arange(len(widths)), parts.line)
    np.add.at(change, offsets[blank], 1)
    np.add.at(change, offsets[blank] + widths[blank], -1)
    empty = (np.cumsum(change) + solid)[:-1] == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty, [0]]).astype(np.int8)))
    start, stop = edges[::2], edges[1::2]
    line = np.searchsorted(offsets, start, side="right") - 1
    return line, start - offsets[line], stop - offsets[line]


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
