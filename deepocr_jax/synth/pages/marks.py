"""What stands on pages besides text: rules, frames, check boxes, bar codes, strokes of a pen."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from deepocr_jax.synth.pages.blocks import BLOCKS, Blocks
from deepocr_jax.synth.pages.painting import paint_dots, paint_rectangles
from deepocr_jax.synth.pages.typesetting import DESCENT, SetWords

_COLUMN_RULES = 8  # of a block, at most
_BARS = 48
_STROKES, _STROKE_DOTS = 3, 420


def paint_marks(
    key: jax.Array, blocks: Blocks, words: SetWords, is_scene: jax.Array, size: tuple[int, int]
) -> jax.Array:
    """The ink of rules, frames, check boxes, a bar code and strokes: [height, width] in [0, 1]."""
    dice, lines, bars, strokes = jax.random.split(key, 4)
    thickness = jnp.exp(jax.random.uniform(dice, minval=-0.5, maxval=1.0))
    parts = [
        _text_rules(blocks, words, thickness),
        _block_rules(blocks, words, thickness),
        _check_boxes(lines, blocks, words),
        _bar_code(bars, blocks, size),
    ]
    boxes, strength = (jnp.concatenate(p) for p in zip(*parts, strict=True))
    ink = jnp.clip(paint_rectangles(boxes, strength[:, None], size)[0], 0, 1)
    return _paint_strokes(strokes, is_scene, ink)


def _upright(blocks: Blocks) -> jax.Array:
    return blocks.used & (jnp.abs(blocks.angle) < 1e-3)


def _text_rules(
    blocks: Blocks, words: SetWords, thickness: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Lines under every other run, and lines under all lines of text across the block."""
    b = words.block
    box, em = blocks.box[b], blocks.em[b]
    shown = words.used & _upright(blocks)[b]
    entry = words.y + 0.18 * em
    # All words of a run would draw the same line; the first one does.
    first = words.x <= words.left + 0.1 * em
    entries = jnp.stack([words.x - 0.2 * em, entry, words.right, entry + thickness], axis=1)
    is_entry = shown & first & (words.run % 2 == 1) & (blocks.styles["entry_rules"][b] > 0.5)
    row = words.y + (DESCENT + 0.3 * (blocks.styles["leading"][b] - 1)) * em
    starts_line = jnp.abs(words.left - box[:, 0]) < 0.1 * em
    rows = jnp.stack([box[:, 0], row, box[:, 2], row + thickness], axis=1)
    is_row = shown & first & starts_line & (blocks.styles["row_rules"][b] > 0.5)
    return jnp.concatenate([entries, rows]), jnp.concatenate([is_entry, is_row]).astype(float)


def _block_rules(
    blocks: Blocks, words: SetWords, thickness: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Lines between the columns of tables, and frames."""
    last = jnp.zeros(BLOCKS).at[words.block].max(jnp.where(words.used, words.y, 0.0))
    left, top, right, _ = (blocks.box - jnp.array([2.0, 0.0, -2.0, 0.0])).T
    style = blocks.styles
    bottom = last + (DESCENT + 0.3 * (style["leading"] - 1)) * blocks.em
    tab = style["tab"] * blocks.em
    number = jnp.arange(1, _COLUMN_RULES + 1)
    x = blocks.box[:, :1] + number * tab[:, None] - 0.5 * (style["space"] * blocks.em)[:, None]
    full = jnp.ones_like(x)
    columns = [x, top[:, None] * full, x + thickness, bottom[:, None] * full]
    has_columns = (style["column_rules"] > 0.5) & (style["goes_to_tab"] > 0) & _upright(blocks)
    shown = has_columns[:, None] & (x < right[:, None] - 4)
    t = thickness
    frame = [
        jnp.stack([left, top, right, top + t], axis=-1),
        jnp.stack([left, bottom, right + t, bottom + t], axis=-1),
        jnp.stack([left, top, left + t, bottom], axis=-1),
        jnp.stack([right, top, right + t, bottom], axis=-1),
    ]
    has_frame = (style["frame"] > 0.5) & _upright(blocks) & (last > 0)
    boxes = [jnp.stack(columns, axis=-1).reshape(-1, 4), *frame]
    return jnp.concatenate(boxes), jnp.concatenate([shown.ravel(), *[has_frame] * 4]).astype(float)


def _check_boxes(key: jax.Array, blocks: Blocks, words: SetWords) -> tuple[jax.Array, jax.Array]:
    """Little squares left of the lines of some blocks: the outer one less the inner one."""
    b = words.block
    em = blocks.em[b]
    side = 0.62 * em
    left, top = blocks.box[b, 0] - 1.0 * em, words.y - side
    chosen = jax.random.uniform(key, (BLOCKS,)) < 0.12
    shown = words.used & (chosen & _upright(blocks))[b] & (words.x < blocks.box[b, 0] + 1)
    outer = jnp.stack([left, top, left + side, top + side], axis=-1)
    inner = outer + jnp.array([1.0, 1.0, -1.0, -1.0])
    shown = shown.astype(float)
    return jnp.concatenate([outer, inner]), jnp.concatenate([shown, -shown])


def _bar_code(key: jax.Array, blocks: Blocks, size: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """Bars in the last block, where it has no text."""
    place, widths, dice = jax.random.split(key, 3)
    left, top, right, bottom = blocks.box[-1]
    room_x, room_y = right - left, bottom - top
    length = jnp.minimum(room_x, 0.3 * size[1]) * 0.8
    steps = 1 + jnp.floor(jax.random.uniform(widths, (2 * _BARS,)) ** 2 * 4)
    edges = jnp.cumsum(steps) / steps.sum() * length
    x = left + 0.1 * room_x + jax.random.uniform(place) * (room_x - length) * 0.8
    starts, ends = x + edges[::2], x + edges[1::2]
    full = jnp.ones(_BARS)
    y0, y1 = top + 0.15 * room_y, top + 0.15 * room_y + jnp.minimum(0.7 * room_y, 0.5 * length)
    shown = (jax.random.uniform(dice) < 0.35) & ~blocks.used[-1] & (room_y > 12) & (length > 60)
    return jnp.stack([starts, y0 * full, ends, y1 * full], axis=-1), full * shown


def _paint_strokes(key: jax.Array, is_scene: jax.Array, ink: jax.Array) -> jax.Array:
    """Loops as in signatures, crossings out and creases: sums of sines that drift along."""
    places, waves, phases, looks, whether = jax.random.split(key, 5)
    height, width = ink.shape
    t = jnp.linspace(0, 1, _STROKE_DOTS)
    places = jax.random.uniform(places, (_STROKES, 4))
    looks = jax.random.uniform(looks, (_STROKES, 4))
    frequency = 1 + 9 * jax.random.uniform(waves, (_STROKES, 2, 3))
    angle = (
        2 * jnp.pi * (frequency[..., None] * t + jax.random.uniform(phases, (_STROKES, 2, 3, 1)))
    )
    loops = jnp.einsum("scf,scft->sct", 1 / frequency**0.7, jnp.sin(angle))
    length = (0.1 + 0.3 * places[:, 2]) * width
    flat = jnp.where(looks[:, 2] < 0.3, 0.03, 1.0)  # a line drawn by hand, or loops
    swing = jnp.stack([flat * length * 0.12, flat * length * (0.05 + 0.12 * places[:, 3])], axis=1)
    drift = jnp.stack([length, (looks[:, 3] - 0.6) * 0.4 * length], axis=1)
    start = places[:, :2] * jnp.array([width, height])
    path = start[..., None] + drift[..., None] * t + swing[..., None] * loops
    share = jnp.where(is_scene, 0.12, 0.25)
    shown = (jax.random.uniform(whether, (_STROKES,)) < share) * (0.5 + 0.5 * looks[:, 1])
    radius = jnp.repeat(0.3 + 1.1 * looks[:, 0], _STROKE_DOTS)
    places = jnp.moveaxis(path, 1, 2).reshape(-1, 2)
    places = jnp.clip(places, 1.0, jnp.array([width - 1.0, height - 1.0]))
    return paint_dots(places, radius, jnp.repeat(shown, _STROKE_DOTS), ink)
