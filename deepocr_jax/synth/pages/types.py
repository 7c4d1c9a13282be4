"""What the synthesis of pages takes and gives."""

from __future__ import annotations

from typing import NamedTuple

import jax


class Pages(NamedTuple):
    """Pictures of text, and where each character stands on them.

    Attributes:
        images: uint8 [n, height, width, 3] RGB.
        quads: float32 [n, k, 4, 2] (x, y) corners of each character's cell: as one reads it top
            left, top right, bottom right, bottom left. Coordinates are continuous: pixel i covers
            [i, i + 1). Sideways a cell goes from pen position to pen position; up and down it is
            as high as the ink of its word, and holds at least the band of small letters.
        words: int32 [n, k] number of the word on its page, -1 where there is no character. The
            characters of a word lie next to each other in k, in reading order.
        codes: int32 [n, k] index into the characters of the atlas.
        visible: bool [n, k], False for characters that are too small, cut by the border or
            without contrast, and where there is no character: to be ignored in training.
    """

    images: jax.Array
    quads: jax.Array
    words: jax.Array
    codes: jax.Array
    visible: jax.Array


class GlyphAtlas(NamedTuple):
    """Glyph pictures of some faces, their metrics, and words to set. Lengths are in em.

    Attributes:
        texels: uint8 [faces, characters, texels]: the ink of each glyph, its box in the upper left
            of a square cell less a margin, in all levels of `atlas.LEVELS` one after the other.
        boxes: float32 [faces, characters, 4] left, top, right, bottom of the ink, seen from the
            pen position on the baseline, y pointing down.
        advances: float32 [faces, characters] from one pen position to the next.
        scales: float32 [faces] texels an em has in the finest level.
        substitutes: int32 [faces, characters] the character that a face draws in place of each:
            the same where it can.
        face_odds: float32 [uses, faces] cumulative probability of each face, for each entry of
            `faces.USES`.
        word_codes: int32 [words, length] indices of characters, -1 behind the last. The words are
            in as many groups of equal size as `words.GROUPS` has.
        word_widths: float32 [faces, words].
    """

    texels: jax.Array
    boxes: jax.Array
    advances: jax.Array
    scales: jax.Array
    substitutes: jax.Array
    face_odds: jax.Array
    word_codes: jax.Array
    word_widths: jax.Array
