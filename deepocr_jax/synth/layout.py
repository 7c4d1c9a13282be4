"""Where the text of a rendered crop lies: font, spacing, slant, turn, perspective, margins.

A layout is made from random numbers and the sizes of characters alone, so the width of a crop is
known before anything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw

from deepocr_jax.synth.fonts import FontFace, drawable_characters, font_faces, open_font

HEIGHT = 48
FRAME = 8
"""Columns of a crop that one frame of the recognizer sees."""

_REFERENCE_SIZE = 48
_SIZE_STEP = 6
_MIN_SIZE, _MAX_SIZE = 18, 96
_DOTTED_SHARE = 0.05
_DOTS_AN_EM = (12, 22)
_DOT_RADIUS = 0.42  # of the distance between dots
_LEAST_STROKE = 1.0  # the same
_LEAST_INK = 90  # of 255, in a dot's square
_LEAST_PITCH = 2.0  # pixels; closer dots cannot be told apart


@dataclass(frozen=True)
class FontFile:
    """The faces of one font file and the characters that they draw."""

    faces: tuple[FontFace, ...]
    characters: frozenset[str]


@dataclass(frozen=True)
class Layout:
    """How a text lies on its crop.

    Attributes:
        text: the text, all of whose characters the face can draw.
        face: the font.
        spacing: extra space between characters in em.
        full_height: whether the text's rectangle spans the line (ascender to descender) rather
            than the ink.
        quad: [4, 2] corners (x, y) of the text's rectangle on the crop, in reading order, in
            pixels; outer edges, so the crop spans 0..width and 0..48.
        width: width of the crop in pixels.
        dots: how many dots an em is high, as print heads and displays write; 0: plain.
    """

    text: str
    face: FontFace
    spacing: float
    full_height: bool
    quad: np.ndarray
    width: int
    dots: int = 0


def load_font_files(paths: Sequence, characters: Sequence[str]) -> list[FontFile]:
    """The font files that can draw at least one of the characters, the space aside."""
    files = []
    for path in paths:
        faces = tuple(font_faces(path))
        drawn = drawable_characters(faces[0], characters)
        if drawn - {" "}:
            files.append(FontFile(faces, drawn))
    return files


def choose_font(
    random: np.random.Generator, files: Sequence[FontFile], text: str
) -> tuple[FontFace, str]:
    """A random face that draws the text, and the text.

    Where none draws all of it, characters are dropped until the file that draws most of them does.
    """
    order = random.permutation(len(files))
    needed = set(text)
    chosen = next((files[k] for k in order if needed <= files[k].characters), None)
    if chosen is None:
        chosen = max((files[k] for k in order), key=lambda f: len(needed & f.characters))
        text = " ".join("".join(c for c in text if c in chosen.characters).split())
    return chosen.faces[int(random.integers(len(chosen.faces)))], text


def make_layout(random: np.random.Generator, face: FontFace, text: str, image_width: int) -> Layout:
    """A random layout of a text on a crop at most `image_width` wide."""
    spacing = 0.0
    if random.random() < 0.3:
        # Wider apart, letters look like words of one letter, and the truth has no spaces there.
        spacing = float(random.uniform(-0.03, 0.16) if len(text) < 12 else random.uniform(0, 0.08))
    full_height = bool(random.random() < 0.35)
    _, (w, h) = text_bounds(face, _REFERENCE_SIZE, text, spacing, full_height)
    # In units of the text's height, around its middle.
    aspect = w / h * float(np.clip(random.normal(1.0, 0.12), 0.75, 1.4))
    corners = np.array([[-aspect, -1], [aspect, -1], [aspect, 1], [-aspect, 1]]) / 2
    corners = _distorted(random, corners, aspect)
    low, high = corners.min(axis=0), corners.max(axis=0)
    tight = random.random() < 0.5
    # Left, top, right, bottom; negative ones cut a little off, as boxes of detectors do.
    margin = random.uniform(-0.03, 0.12, 4) if tight else random.uniform(0.02, 0.4, 4)
    margin[1::2] *= 1.0 if tight else 0.6
    low, high = low - margin[:2], high + margin[2:]
    size = high - low
    width = math.ceil(HEIGHT * size[0] / size[1])
    width = min(image_width, max(8, needed_width(text), width))
    quad = (corners - low) * (np.array([width, HEIGHT]) / size)
    dotted = random.random() < _DOTTED_SHARE
    dots = int(random.integers(*_DOTS_AN_EM, endpoint=True)) if dotted else 0
    return Layout(text, face, spacing, full_height, quad, width, dots)


def _distorted(random: np.random.Generator, corners: np.ndarray, aspect: float) -> np.ndarray:
    """Corners [4, 2] of a rectangle after a random slant, turn and perspective."""
    if random.random() < 0.2:  # slant
        corners = corners - corners[:, 1:] * [float(random.uniform(-0.15, 0.3)), 0]
    if random.random() < 0.5:  # turn; a long line that turns much would become too small to read
        limit = min(math.radians(9), 0.45 / aspect)
        angle = float(np.clip(random.normal(0, limit / 2), -limit, limit))
        cos, sin = math.cos(angle), math.sin(angle)
        corners = corners @ np.array([[cos, sin], [-sin, cos]])
    if random.random() < 0.35:  # perspective
        reach = np.array([min(0.12, 0.06 * aspect), 0.09])
        corners = corners + random.uniform(-1, 1, (4, 2)) * reach
    return corners


def needed_width(text: str) -> int:
    """Least width that has a frame for each character, one between equal neighbours, and a spare.

    Crops narrower than 160 pixels are padded to 20 frames, which is plenty for few characters.
    """
    frames = len(text) + sum(a == b for a, b in zip(text, text[1:], strict=False)) + 1
    return FRAME * frames if frames > 20 else 0


def font_size(layout: Layout) -> int:
    """Pixels per em at which drawing and crop have about the same scale, one of few values."""
    _, (_, h) = text_bounds(
        layout.face, _REFERENCE_SIZE, layout.text, layout.spacing, layout.full_height
    )
    height = np.linalg.norm(layout.quad[3] - layout.quad[0])
    size = _REFERENCE_SIZE * float(height) / h
    return int(np.clip(round(size / _SIZE_STEP) * _SIZE_STEP, _MIN_SIZE, _MAX_SIZE))


def text_bounds(
    face: FontFace, size: int, text: str, spacing: float, full_height: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Rectangle of a text set at (0, 0): its first corner (x, y), and (width, height), in pixels.

    Its height is at least 0.45 em, so that a dot or dash alone is not blown up to a whole crop.
    """
    font = open_font(face, size)
    x0, y0, x1, y1 = font.getbbox(text, anchor="ls")
    if spacing:
        x1 += spacing * size * (len(text) - 1)
    if full_height:
        ascent, descent = font.getmetrics()
        y0, y1 = min(y0, -0.8 * ascent), max(y1, 0.9 * descent)
    missing = 0.45 * size - (y1 - y0)
    if missing > 0:
        y0, y1 = y0 - missing / 2, y1 + missing / 2
    return (x0, y0), (max(x1 - x0, 1.0), y1 - y0)


def draw_text(layout: Layout, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The ink of a text, and the corners of its rectangle in that picture.

    Returns:
        uint8 [h, w], 255 = ink, and [4, 2] (x, y) outer corners in reading order.
    """
    (x, y), (w, h) = text_bounds(layout.face, size, layout.text, layout.spacing, layout.full_height)
    pad = 4
    picture = Image.new("L", (math.ceil(w) + 2 * pad, math.ceil(h) + 2 * pad))
    draw = ImageDraw.Draw(picture)
    font = open_font(layout.face, size)
    left, base = pad - x, pad - y
    if layout.spacing:
        for k, character in enumerate(layout.text):
            # The length of the beginning, rather than a sum of lengths, keeps the kerning.
            start = font.getlength(layout.text[:k]) + k * layout.spacing * size
            draw.text((left + start, base), character, 255, font, anchor="ls")
    else:
        draw.text((left, base), layout.text, 255, font, anchor="ls")
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) + pad
    ink = np.asarray(picture)
    is_dotted = layout.dots and size / layout.dots >= _LEAST_PITCH
    return (in_dots(ink, size / layout.dots) if is_dotted else ink), corners


def in_dots(ink: np.ndarray, pitch: float) -> np.ndarray:
    """Ink [h, w] uint8 as round dots on a square grid, one wherever there is enough of it.

    Strokes much thinner than a dot are thickened before, or they would fall between the dots.

    Args:
        ink: 255 = ink.
        pitch: From one dot to the next, in pixels.
    """
    depth = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 3)
    # Inside a bar the mean distance to its edge is a quarter of its width.
    stroke = 4 * float(depth[depth > 0].mean()) if depth.any() else 0.0
    missing = max(0, math.ceil(_LEAST_STROKE * pitch - stroke))
    thick = cv2.dilate(ink, np.ones((missing + 1, missing + 1), np.uint8))
    cells = tuple(max(1, round(side / pitch)) for side in ink.shape)
    there = cv2.resize(thick, cells[::-1], interpolation=cv2.INTER_AREA) > _LEAST_INK
    row, col = (
        (np.arange(side, dtype=np.float32) + 0.5) * (count / side)
        for side, count in zip(ink.shape, cells, strict=True)
    )
    away = pitch * np.hypot((row % 1 - 0.5)[:, None], col % 1 - 0.5)
    dots = np.clip(_DOT_RADIUS * pitch + 0.5 - away, 0, 1)
    shown = there[np.ix_(row.astype(int), col.astype(int))]
    return np.rint(255 * dots * shown).astype(np.uint8)
