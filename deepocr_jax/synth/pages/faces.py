"""Pictures and metrics of the glyphs of a face: fonts, seven segments, dot matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deepocr_jax.synth.fonts import FontFace, drawable_characters, open_font
from deepocr_jax.synth.segments import LIT, DigitShape, draw_segments, lit_segments

USES = ("document", "typewriter", "any", "handwriting")
"""Purposes for which faces are chosen with odds of their own."""

_HANDWRITING = ("Caveat", "IndieFlower", "Kalam")
_DISPLAY = (
    "AlfaSlab", "Anton", "BebasNeue", "BlackOpsOne", "Fredoka", "Lobster", "Pacifico", "PressStart",
    "segments", "dots",
)  # fmt: skip
_MASTER_SIZE = 64  # pixels per em at which glyphs are drawn; the atlas makes them smaller


@dataclass(frozen=True)
class Glyph:
    """A glyph: uint8 [h, w] ink with `Face.size` pixels per em, and its metrics in such pixels.

    `left` and `top` are where the picture's corner lies, seen from the pen position on the
    baseline, y pointing down.
    """

    picture: np.ndarray
    left: float
    top: float
    advance: float


@dataclass(frozen=True)
class Face:
    """Glyphs by character; `size` is in pixels per em."""

    name: str
    size: int
    glyphs: dict[str, Glyph]

    @property
    def is_fixed_width(self) -> bool:
        """Whether all advances are equal."""
        advances = [g.advance for g in self.glyphs.values()]
        return max(advances) - min(advances) <= 0.02 * self.size

    @property
    def family(self) -> str:
        """Name without weight and slope."""
        return Path(self.name).name.split("[")[0].split("-")[0].split(".")[0]


def font_glyphs(font: FontFace, characters: Sequence[str]) -> Face:
    """The glyphs of a font for those of the characters that it has; there may be none."""
    opened = open_font(font, _MASTER_SIZE)
    glyphs = {}
    for character in sorted(drawable_characters(font, characters) - {" "}):
        mask, (left, top) = opened.getmask2(character, mode="L", anchor="ls")
        picture = np.asarray(mask, np.uint8).reshape(mask.size[::-1])
        rows, cols = (np.flatnonzero(picture.any(axis=a)) for a in (1, 0))
        picture = picture[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        glyphs[character] = Glyph(
            picture, left + cols[0], top + rows[0], opened.getlength(character)
        )
    return Face(font.name, _MASTER_SIZE, glyphs)


def segment_glyphs(characters: Sequence[str], slant: float) -> Face:
    """Seven-segment digits; of the characters those that it has."""
    height = round(0.72 * _MASTER_SIZE)
    shape = DigitShape(0.55, 0.13, 0.02, slant, 0.8, variants=slant > 0)
    advance = (0.55 + 0.22) * height
    glyphs = {}
    for character in sorted(set(characters) & LIT.keys()):
        canvas = np.zeros((height + 4, height + 8), np.uint8)
        draw_segments(canvas, shape, lit_segments(character, shape), 4, 2, height)
        glyphs[character] = _trimmed(canvas, 4 - 0.11 * height, height + 2, advance)
    return Face(f"segments:{slant:g}", _MASTER_SIZE, glyphs)


def dot_glyphs(font: FontFace, characters: Sequence[str], pitch: int = 6) -> Face:
    """Dot matrix: what a font draws at about ten pixels per em, each pixel as a round dot."""
    size = _MASTER_SIZE // pitch
    opened = open_font(font, size)
    glyphs = {}
    for character in sorted(drawable_characters(font, characters) - {" "}):
        mask, (left, top) = opened.getmask2(character, mode="L", anchor="ls")
        lit = np.asarray(mask, np.uint8).reshape(mask.size[::-1]) > 110
        if not lit.any():
            continue
        canvas = np.zeros((lit.shape[0] * pitch, lit.shape[1] * pitch), np.uint8)
        for row, col in np.argwhere(lit):
            centre = int((col + 0.5) * pitch * 16 - 8), int((row + 0.5) * pitch * 16 - 8)
            cv2.circle(canvas, centre, int(0.5 * pitch * 16), 255, -1, cv2.LINE_AA, 4)
        advance = opened.getlength(character) * pitch
        glyphs[character] = _trimmed(canvas, -left * pitch, -top * pitch, advance)
    return Face(f"dots:{pitch}:{font.name}", size * pitch, glyphs)


def _trimmed(canvas: np.ndarray, pen: float, baseline: float, advance: float) -> Glyph:
    """The inked part of a canvas on which the pen stands at (pen, baseline)."""
    rows, cols = (np.flatnonzero(canvas.any(axis=a)) for a in (1, 0))
    picture = canvas[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return Glyph(picture, cols[0] - pen, rows[0] - baseline, advance)


def face_odds(faces: Sequence[Face]) -> np.ndarray:
    """Cumulative probability of each face for each of `USES`: float32 [uses, faces].

    Weights and slopes of a family share its odds. Fonts that are not known by name count as
    plain ones.
    """
    families = [face.family for face in faces]
    share = np.array([1.0 / families.count(f) for f in families])
    hand = np.array([f.startswith(_HANDWRITING) for f in families])
    display = np.array([f.startswith(_DISPLAY) for f in families])
    fixed = np.array([f.is_fixed_width for f in faces]) & ~display
    plain = ~(hand | display)
    odds = np.stack(
        [
            np.where(plain, 1.0, 0.02),
            np.where(fixed, 1.0, 0.01),
            np.where(plain, 1.0, 0.8),
            np.where(hand, 1.0, 0.005),
        ]
    )
    odds *= share
    return (odds.cumsum(axis=1) / odds.sum(axis=1, keepdims=True)).astype(np.float32)
