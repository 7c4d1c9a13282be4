"""Pages of dark bars, and networks that take what is dark for text."""

from __future__ import annotations

import cv2
import numpy as np

from deepocr_jax.infer.detector import DetectionSettings, DetectorNet
from deepocr_jax.infer.looks import LookNet
from deepocr_jax.models.score_maps import STRIDE
from deepocr_jax.models.text_axes import STRIDE as LOOK_STRIDE

GROUND, INK = 230, 20
SETTINGS = DetectionSettings(height=256, width=256)
# (x, y, width, height) of bars on a page of PAGE (height, width).
BARS = ((20, 20, 90, 12), (20, 60, 140, 12), (20, 100, 60, 12))
PAGE = (140, 200)


def page_of(bars=BARS, size=PAGE):
    image = np.full((*size, 3), GROUND, np.uint8)
    for x, y, width, height in bars:
        image[y : y + height, x : x + width] = INK
    return image


def turned_by(image, degrees):
    """Turned counter-clockwise onto a larger image; and the map [2, 3] of (x, y)."""
    height, width = image.shape[:2]
    cos, sin = abs(np.cos(np.deg2rad(degrees))), abs(np.sin(np.deg2rad(degrees)))
    size = np.rint([width * cos + height * sin, width * sin + height * cos]).astype(int)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (size - [width, height]) / 2
    return cv2.warpAffine(image, matrix, size.tolist(), borderValue=(GROUND,) * 3), matrix


def places(bars, matrix):
    """Centres (row, col) of bars on a turned page."""
    centres = np.array([(x + (w - 1) / 2, y + (h - 1) / 2) for x, y, w, h in bars])
    return (centres @ matrix[:, :2].T + matrix[:, 2])[:, ::-1]


class Dark:
    """Takes what is dark for text, and counts the canvases that it was shown."""

    def __init__(self, as_words=False):
        self.canvases, self.as_words = [], as_words

    def __call__(self, batch):
        self.canvases += list(batch)
        dark = (batch[..., 0] < 100).astype(np.float32)
        if not self.as_words:
            return dark[..., None]
        dark = dark[:, ::STRIDE, ::STRIDE]
        return np.stack([dark, dark, np.zeros_like(dark), np.ones_like(dark)], axis=-1)


def net_of(seen):
    return DetectorNet("cpu", (seen,), None, seen.as_words)  # type: ignore[arg-type]


def angles_apart(a, b):
    """Degrees between lines."""
    return abs((a - b + 90) % 180 - 90)


class Eyes:
    """Takes what is dark for text along its longer side, and counts the canvases it was shown."""

    def __init__(self):
        self.canvases = []

    def __call__(self, batch):
        self.canvases += list(batch)
        return np.stack([self.vectors(canvas) for canvas in batch])

    @staticmethod
    def vectors(canvas):
        dark = (canvas[..., 0] < 100).astype(np.uint8)
        count, parts = cv2.connectedComponents(dark)
        angles = np.zeros(count)
        for part in range(1, count):
            points = np.argwhere(parts == part)[:, ::-1].astype(np.float32)
            (x, y), *_ = cv2.fitLine(points, cv2.DIST_L2, 0, 0.01, 0.01).reshape(2, 2)
            angles[part] = np.arctan2(-y, x)
        there = parts[::LOOK_STRIDE, ::LOOK_STRIDE]
        doubled = 2 * angles[there]
        return (there > 0)[..., None] * np.stack([np.cos(doubled), np.sin(doubled)], axis=-1)


def looks_of(eyes):
    return LookNet("cpu", (eyes,))  # type: ignore[arg-type]
