"""Words one after the other into the lines and columns of blocks."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deepocr_jax.synth.pages.blocks import BLOCKS, Blocks
from deepocr_jax.synth.pages.types import GlyphAtlas
from deepocr_jax.synth.pages.words import GROUPS, WORDS_PER_GROUP

ASCENT, DESCENT = 0.95, 0.25  # em; room above the first baseline and below the last


class SetWords(NamedTuple):
    """Words with their places; arrays [w], lengths in pixels.

    `x` and `y` are the pen position of the first character in the frame of the block, `width` the
    length to the pen position behind the last one. Words between two tab stops, or on a line
    without tabs, make up a run; `left` and `right` bound its column, `run` is its number.
    """

    index: jax.Array
    block: jax.Array
    x: jax.Array
    y: jax.Array
    width: jax.Array
    left: jax.Array
    right: jax.Array
    run: jax.Array
    used: jax.Array


class _Pen(NamedTuple):
    block: jax.Array
    x: jax.Array
    y: jax.Array
    run: jax.Array
    left: jax.Array  # of the column
    words: jax.Array  # in the block so far


def set_words(key: jax.Array, atlas: GlyphAtlas, blocks: Blocks, count: int) -> SetWords:
    """Draws words and sets them block after block, until there are no more blocks or words.

    Args:
        key: Random key.
        atlas: Words and their widths.
        blocks: Where to.
        count: Of words, at most.

    Returns:
        `count` words; those that are not on the page have `used` False.
    """
    dice = jax.random.uniform(key, (count, 4))
    blocks_used = jnp.sum(blocks.used)

    def start(block: jax.Array, run: jax.Array) -> _Pen:
        box = blocks.box[block]
        y = box[1] + ASCENT * blocks.em[block]
        return _Pen(block, box[0], y, run, box[0], jnp.zeros_like(run))

    def step(pen: _Pen, u: jax.Array) -> tuple[_Pen, SetWords]:
        index, width = _choose_word(atlas, blocks, pen.block, u)
        box, em = blocks.box[pen.block], blocks.em[pen.block]
        leading = blocks.styles["leading"][pen.block] * em
        wraps = (pen.x + width > box[2]) & (pen.x > box[0] + 1e-3)
        y = pen.y + jnp.where(wraps, leading, 0.0)
        full = (y + DESCENT * em > box[3]) | (pen.words >= blocks.styles["words"][pen.block])
        here = _Pen(
            pen.block,
            jnp.where(wraps, box[0], pen.x),
            y,
            pen.run + wraps,
            jnp.where(wraps, box[0], pen.left),
            pen.words,
        )
        there = start(jnp.minimum(pen.block + 1, BLOCKS - 1), pen.run + 1)
        moves_on = full & (pen.block + 1 < blocks_used)
        done = full & ~moves_on
        here = jax.tree.map(lambda a, b: jnp.where(moves_on, a, b), there, here)
        index_there, width_there = _choose_word(atlas, blocks, there.block, u)
        index = jnp.where(moves_on, index_there, index)
        width = jnp.where(moves_on, width_there, width)
        return _advance(blocks, here, index, width, done, u)

    none = jnp.zeros((), jnp.int32)
    _, words = jax.lax.scan(step, start(none, none), dice)
    words = words._replace(used=words.used & (blocks_used > 0))
    return _align(words, blocks)


def _choose_word(
    atlas: GlyphAtlas, blocks: Blocks, block: jax.Array, u: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A word for a block and its width in pixels, from the random numbers u in [0, 1)."""
    style = {name: values[block] for name, values in blocks.styles.items()}
    small, initial, capitals, numbers = range(len(GROUPS))
    group = jnp.where(
        u[0] < style["numbers"],
        numbers,
        jnp.where(
            u[1] < style["capitals"],
            capitals,
            jnp.where(u[1] > 1 - style["initials"], initial, small),
        ),
    )
    index = group * WORDS_PER_GROUP + jnp.floor(u[2] * WORDS_PER_GROUP).astype(jnp.int32)
    length = jnp.sum(atlas.word_codes[index] >= 0)
    width = atlas.word_widths[blocks.face[block], index] * style["stretch"]
    return index, (width + style["tracking"] * (length - 1)) * blocks.em[block]


def _advance(
    blocks: Blocks, pen: _Pen, index: jax.Array, width: jax.Array, done: jax.Array, u: jax.Array
) -> tuple[_Pen, SetWords]:
    """Sets a word where the pen stands and moves the pen to where the next one may start."""
    box, em = blocks.box[pen.block], blocks.em[pen.block]
    style = {name: values[pen.block] for name, values in blocks.styles.items()}
    has_tabs = style["goes_to_tab"] > 0
    tab, space = style["tab"] * em, style["space"] * em
    end = pen.x + width
    stop = box[0] + (jnp.floor((end + space - box[0]) / tab) + 1) * tab
    right = jnp.where(has_tabs, jnp.minimum(stop - space, box[2]), box[2])
    fits = end <= box[2]
    word = SetWords(index, pen.block, pen.x, pen.y, width, pen.left, right, pen.run, fits & ~done)
    goes_to_tab = has_tabs & (u[3] < style["goes_to_tab"])
    ends_line = ~goes_to_tab & (u[3] > 1 - style["ends_line"])
    x = jnp.where(goes_to_tab, stop, end + space)
    x = jnp.where(ends_line, box[2] + 1.0, x)
    x = jnp.where(fits, x, pen.x)  # A word that is too long for the block is left out.
    moved = _Pen(
        pen.block,
        x,
        pen.y,
        pen.run + goes_to_tab,
        jnp.where(goes_to_tab, x, pen.left),
        pen.words + 1,
    )
    return moved, word


def _align(words: SetWords, blocks: Blocks) -> SetWords:
    """Moves the words of each run to the left, the middle or the right of its column."""
    runs = words.x.shape[0] + BLOCKS
    end = jnp.where(words.used, words.x + words.width, 0.0)
    right = jnp.where(words.used, words.right, 0.0)
    end = jnp.zeros(runs).at[words.run].max(end)[words.run]
    right = jnp.zeros(runs).at[words.run].max(right)[words.run]
    align = jnp.round(blocks.styles["align"][words.block] * 2) / 2
    shift = align * jnp.maximum(right - end, 0.0)
    return words._replace(x=words.x + shift, right=right)
