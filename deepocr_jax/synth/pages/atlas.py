"""The atlas: glyph pictures of all faces in one array, in several resolutions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import cv2
import jax.numpy as jnp
import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.fonts import find_fonts, font_faces
from deepocr_jax.synth.pages.faces import (
    Face,
    dot_glyphs,
    face_odds,
    font_glyphs,
    segment_glyphs,
)
from deepocr_jax.synth.pages.types import GlyphAtlas
from deepocr_jax.synth.pages.words import make_words
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII

CHARACTERS = PRINTABLE_ASCII.replace(" ", "")
"""The 94 visible characters of ASCII."""

CELL = 64
LEVELS = (64, 32, 16, 8)
"""Sides of a glyph's cell in texels, from fine to coarse: each texel is the mean of four."""

MARGIN = 4  # texels of the finest level around the ink, half a texel of the coarsest

_LEAST_CHARACTERS = 10  # of a face


def make_atlas(
    fonts: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
    characters: Sequence[str] = CHARACTERS,
    seed: int = 0,
) -> GlyphAtlas:
    """Draws the glyphs of all faces and makes words for them; on the host, once.

    Args:
        fonts: A font file, a folder, or several of them, as `fonts.find_fonts` takes them; None
            takes the fonts of installed packages.
        characters: To be drawn, each once, without the space.
        seed: Of the words.

    Returns:
        The atlas; besides the fonts it holds seven-segment and dot-matrix faces. Faces with fewer
        than ten of the characters (or fewer than all, where there are less) are left out.

    Raises:
        ParameterValueError: The characters are not single, visible and different, or no font is
            found, or none has enough of the characters.
    """
    _check_characters(characters)
    found = [face for path in find_fonts(fonts) for face in font_faces(path)]
    faces = [font_glyphs(font, characters) for font in found]
    fixed = [k for k, face in enumerate(faces) if face.glyphs and face.is_fixed_width]
    faces.append(dot_glyphs(found[fixed[0] if fixed else 0], characters))
    faces.extend(segment_glyphs(characters, slant) for slant in (0.0, 0.12))
    least = min(_LEAST_CHARACTERS, len(characters))
    faces = [face for face in faces if len(face.glyphs) >= least]
    if not faces:
        raise ParameterValueError(
            f"Expected a font with at least {least} of the characters, but none of the "
            f"{len(found)} faces has them; pass other fonts or other characters."
        )
    words = make_words(characters, seed)
    return _build(faces, tuple(characters), words)


def _check_characters(characters: Sequence[str]) -> None:
    single = all(len(c) == 1 and not c.isspace() for c in characters)
    if not characters or not single or len(set(characters)) != len(characters):
        raise ParameterValueError(
            "Expected characters as different, visible, single characters, got "
            f"{list(characters)[:8]}; leave out spaces and repetitions."
        )


def _build(faces: Sequence[Face], characters: Sequence[str], words: np.ndarray) -> GlyphAtlas:
    shape = len(faces), len(characters)
    texels = np.zeros((*shape, sum(s * s for s in LEVELS)), np.uint8)
    boxes, advances = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.float32)
    scales, substitutes = np.zeros(shape[0], np.float32), np.zeros(shape, np.int32)
    for f, face in enumerate(faces):
        longest = max(max(g.picture.shape) for g in face.glyphs.values())
        factor = min(1.0, (CELL - 2 * MARGIN) / longest)
        scales[f] = factor * face.size
        substitutes[f] = _substitutes(face, characters)
        for c in np.unique(substitutes[f]):
            glyph = face.glyphs[str(characters[c])]
            texels[f, c] = _levels(glyph.picture, factor)
            height, width = glyph.picture.shape
            corners = glyph.left, glyph.top, glyph.left + width, glyph.top + height
            boxes[f, c] = np.array(corners) / face.size
            advances[f, c] = glyph.advance / face.size
    padded = np.concatenate([advances, np.zeros((shape[0], 1), np.float32)], axis=1)
    drawn = np.concatenate([substitutes, np.full((shape[0], 1), -1, np.int32)], axis=1)
    widths = np.stack([padded[f][drawn[f][words]].sum(axis=1) for f in range(shape[0])])
    arrays = texels, boxes, advances, scales, substitutes, face_odds(faces), words, widths
    return GlyphAtlas(*(jnp.asarray(a) for a in arrays))


def _substitutes(face: Face, characters: Sequence[str]) -> np.ndarray:
    """For each character the index of what the face draws: itself, its capital, or any other."""
    own = [k for k, c in enumerate(characters) if c in face.glyphs]
    place: dict[str, int] = {str(characters[k]): k for k in own}
    return np.array(
        [place.get(c, place.get(c.upper(), own[k % len(own)])) for k, c in enumerate(characters)],
        np.int32,
    )


def _levels(picture: np.ndarray, factor: float) -> np.ndarray:
    """A glyph in its cell in all resolutions, one after the other: uint8 [texels]."""
    # Texel t of the cell shows the picture at (t + 0.5 - MARGIN) / factor, in continuous
    # coordinates; the padding is there for what lies half a pixel outside.
    shift = MARGIN + 0.5 * factor - 0.5 - factor
    matrix = np.array([[factor, 0, shift], [0, factor, shift]])
    padded = np.pad(picture.astype(np.float32), 1)
    cell = cv2.warpAffine(padded, matrix, (CELL, CELL), flags=cv2.INTER_LINEAR)
    parts = []
    for side in LEVELS:
        step = CELL // side
        mean = cell.reshape(side, step, side, step).mean(axis=(1, 3))
        parts.append(np.rint(mean).astype(np.uint8).ravel())
    return np.concatenate(parts)
