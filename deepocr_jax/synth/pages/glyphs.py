"""From words to single glyphs: pen positions, shapes, corners of their cells."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deepocr_jax.synth.pages.blocks import Blocks
from deepocr_jax.synth.pages.types import GlyphAtlas
from deepocr_jax.synth.pages.typesetting import SetWords

PATCHES_PX = (32, 64, 192)
"""Sides of the square patches into which glyphs are painted, for three classes of size."""

_CLASS_SHARES = (0.7, 0.26)  # of the characters of a page that each class may have; then the rest
_REACH = 1.45  # em; longest diagonal of a glyph's ink with room for its soft edge


class Glyphs(NamedTuple):
    """Characters to paint; arrays [k], lengths in pixels of the page.

    `origin` [k, 2] is the pen position (x, y), `axes` [k, 2, 2] holds in its columns what an em to
    the right and an em down are on the page. `quads` are as in `Pages`.
    """

    word: jax.Array
    code: jax.Array
    face: jax.Array
    block: jax.Array
    origin: jax.Array
    axes: jax.Array
    quads: jax.Array
    used: jax.Array


def class_sizes(characters: int) -> tuple[int, int, int]:
    """How many characters of each size class a page can have."""
    small, middle = (int(characters * share) for share in _CLASS_SHARES)
    return small, middle, characters - small - middle


def place_glyphs(
    key: jax.Array, atlas: GlyphAtlas, blocks: Blocks, words: SetWords, characters: int
) -> Glyphs:
    """The characters of the words, ordered by size class and then by word.

    Words that find no room among the characters of their class are left out as a whole.

    Args:
        key: Random key of the irregularities of handwriting.
        atlas: Metrics.
        blocks: How the words are set.
        words: Which and where.
        characters: Length of the result.

    Returns:
        `characters` glyphs, in three stretches as `class_sizes` tells.
    """
    em = blocks.em[words.block]
    reach = _REACH * em * jnp.maximum(blocks.styles["stretch"][words.block], 1.0)
    size_class = jnp.searchsorted(jnp.array(PATCHES_PX[:-1], jnp.float32), reach)
    lengths = jnp.sum(atlas.word_codes[words.index] >= 0, axis=1)
    parts = [
        _characters_of(jnp.where(words.used & (size_class == c), lengths, 0), size)
        for c, size in enumerate(class_sizes(characters))
    ]
    word, position, used = (jnp.concatenate(p) for p in zip(*parts, strict=True))
    return _shape_glyphs(key, atlas, blocks, words, word, position, used)


def _characters_of(lengths: jax.Array, count: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Word, position in the word, and use of `count` characters of words of some lengths."""
    ends = jnp.cumsum(lengths)
    place = jnp.arange(count)
    word = jnp.minimum(jnp.searchsorted(ends, place, side="right"), lengths.shape[0] - 1)
    used = (place < ends[-1]) & (ends[word] <= count)
    return word, jnp.where(used, place - (ends - lengths)[word], 0), used


def _shape_glyphs(
    key: jax.Array,
    atlas: GlyphAtlas,
    blocks: Blocks,
    words: SetWords,
    word: jax.Array,
    position: jax.Array,
    used: jax.Array,
) -> Glyphs:
    block = words.block[word]
    face, em = blocks.face[block], blocks.em[block]
    stretch, tracking = (blocks.styles[name][block] for name in ("stretch", "tracking"))
    raw = jnp.maximum(atlas.word_codes[words.index[word], position], 0)
    code = atlas.substitutes[face, raw]
    advance = jnp.where(used, (atlas.advances[face, code] * stretch + tracking) * em, 0.0)
    run = jnp.cumsum(advance) - advance
    start = run - jax.ops.segment_min(jnp.where(used, run, jnp.inf), word, words.x.shape[0])[word]
    start = jnp.where(used, start, 0.0)
    wobble = jax.random.normal(key, (3, word.shape[0])) * blocks.is_handwriting[block]
    pen = jnp.stack([words.x[word] + start, words.y[word] + 0.035 * em * wobble[0]], axis=-1)
    axes = _turned_axes(em * stretch, em * (1 + 0.05 * wobble[1]), 0.05 * wobble[2])
    box = atlas.boxes[face, code]
    top, bottom = _word_extent(box, word, used, words.x.shape[0])
    width = advance / em
    cell = jnp.stack(
        [
            jnp.stack([jnp.zeros_like(width), top], axis=-1),
            jnp.stack([width, top], axis=-1),
            jnp.stack([width, bottom], axis=-1),
            jnp.stack([jnp.zeros_like(width), bottom], axis=-1),
        ],
        axis=1,
    )
    quads = pen[:, None] + cell * em[:, None, None]
    middle = (blocks.box[block, :2] + blocks.box[block, 2:]) / 2
    angle = blocks.angle[block]
    turn = _turned_axes(jnp.ones_like(angle), jnp.ones_like(angle), angle)
    return Glyphs(
        jnp.where(used, word, -1),
        jnp.where(used, code, 0),
        face,
        block,
        middle + jnp.einsum("kij,kj->ki", turn, pen - middle),
        jnp.einsum("kij,kjl->kil", turn, axes),
        middle[:, None] + jnp.einsum("kij,kcj->kci", turn, quads - middle[:, None]),
        used,
    )


def _turned_axes(right: jax.Array, down: jax.Array, angle: jax.Array) -> jax.Array:
    """[k, 2, 2] with columns of lengths `right` and `down`, turned clockwise on the screen."""
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    rows = [
        jnp.stack([cosine * right, -sine * down], axis=-1),
        jnp.stack([sine * right, cosine * down], axis=-1),
    ]
    return jnp.stack(rows, axis=-2)


def _word_extent(
    box: jax.Array, word: jax.Array, used: jax.Array, words: int
) -> tuple[jax.Array, jax.Array]:
    """Top and bottom in em of the ink of each character's word; at least a small letter's band."""
    top = jnp.where(used, jnp.minimum(box[:, 1], -0.48), -0.48)
    bottom = jnp.where(used, jnp.maximum(box[:, 3], 0.0), 0.0)
    return (
        jax.ops.segment_min(top, word, words)[word],
        jax.ops.segment_max(bottom, word, words)[word],
    )
