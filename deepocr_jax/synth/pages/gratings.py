"""What repeats in scenes and is no text: blinds, railings, shelves, tiles, windows of facades."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

SCENE_SHARE = 0.6
"""Share of the scenes with any of them."""
_GRATINGS = 8  # of such a scene, at most
_USED_SHARE = 0.6
_UPRIGHT_SHARE = 0.7  # of those that stand about upright in their scene
_LEAN_RAD = 0.05
_PERIOD_PX = (4.0, 48.0)
_GRAY_SHARE = 0.6


class _Grating(NamedTuple):
    """Bars across x, or cells of a grid, within a turned rectangle; all lengths in pixels.

    Attributes:
        middle: [2] (x, y).
        half: [2] half its sides.
        angle: In radians, of its x from the image's, clockwise.
        period: [2] of the bars along x, and of the rows along y.
        phase: [2] in periods.
        filled: [2] share of a period that is painted.
        has_rows: Whether it has rows, or bars of its whole height.
        shift: By how many periods each row is moved, as bricks are.
        slope: How much closer bars stand at the right end than in the middle, as in perspective;
            their number a pixel grows by this share, and falls as much to the left.
        kept: Share of the cells that are painted.
        evenness: 1: all cells are as strong, 0: at random.
        seed: Of the cells, an integer.
        colour: [3] added to what is there.
    """

    middle: jax.Array
    half: jax.Array
    angle: jax.Array
    period: jax.Array
    phase: jax.Array
    filled: jax.Array
    has_rows: jax.Array
    shift: jax.Array
    slope: jax.Array
    kept: jax.Array
    evenness: jax.Array
    seed: jax.Array
    colour: jax.Array


def add_gratings(key: jax.Array, is_scene: jax.Array, ground: jax.Array) -> jax.Array:
    """Gives many scenes some gratings.

    Args:
        key: Random key.
        is_scene: Whether the page is one.
        ground: [3, height, width] in [0, 1].

    Returns:
        The ground with them.
    """
    dice, gratings, using = jax.random.split(key, 3)
    size = ground.shape[1], ground.shape[2]
    has_any = is_scene & (jax.random.uniform(dice) < SCENE_SHARE)
    used = has_any & (jax.random.uniform(using, (_GRATINGS,)) < _USED_SHARE)
    keys = jax.random.split(gratings, _GRATINGS)
    drawn = jax.vmap(lambda one: _draw_grating(one, size))(keys)
    covers = jax.vmap(lambda grating: _cover(grating, size))(drawn)
    # A product makes XLA work out each cover once, instead of for each channel and each reader.
    total = jnp.einsum("gc,ghw->chw", used[:, None] * drawn.colour, covers)
    return jnp.clip(ground + total, 0, 1)


def _draw_grating(key: jax.Array, size: tuple[int, int]) -> _Grating:
    places, forms, dice, seed, colours = jax.random.split(key, 5)
    u, v = jax.random.uniform(places, (9,)), jax.random.uniform(forms, (6,))
    is_upright, is_turned, has_rows, has_shift, has_slope, has_gaps, is_gray = jax.random.uniform(
        dice, (7,)
    ) < jnp.array([_UPRIGHT_SHARE, 0.5, 0.6, 0.4, 0.5, 0.5, _GRAY_SHARE])
    low, high = _PERIOD_PX
    lean = 2 * _LEAN_RAD * (u[4] - 0.5) + jnp.where(is_turned, jnp.pi / 2, 0.0)
    tone, tint, strength = jnp.split(jax.random.normal(colours, (5,)), (1, 4))
    return _Grating(
        middle=u[:2] * jnp.array([size[1], size[0]]),
        half=0.6 * max(size) * jnp.exp(-2.5 * u[2:4]),
        angle=jnp.where(is_upright, lean, jnp.pi * u[4]),
        period=low * (high / low) ** u[5:7],
        phase=u[7:9],
        filled=0.2 + 0.6 * v[:2],
        has_rows=has_rows,
        shift=jnp.where(has_shift, v[2], 0.0),
        slope=jnp.where(has_slope, v[3] - 0.5, 0.0),
        kept=jnp.where(has_gaps, 0.3 + 0.5 * v[4], 1.0),
        evenness=v[5],
        seed=jax.random.bits(seed),
        colour=jnp.sign(tone) * (0.08 + 0.25 * jnp.abs(strength))
        + jnp.where(is_gray, 0.0, 0.1 * tint),
    )


def _cover(grating: _Grating, size: tuple[int, int]) -> jax.Array:
    """How much of each pixel a grating paints: [height, width] in [0, 1]."""
    dx = jnp.arange(size[1])[None, :] + 0.5 - grating.middle[0]
    dy = jnp.arange(size[0])[:, None] + 0.5 - grating.middle[1]
    cos, sin = jnp.cos(grating.angle), jnp.sin(grating.angle)
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    outside = jnp.maximum(jnp.abs(x) - grating.half[0], jnp.abs(y) - grating.half[1])
    shown = jnp.clip(0.5 - outside, 0, 1)
    y = y / grating.period[1] + grating.phase[1]
    row = jnp.where(grating.has_rows, jnp.floor(y), 0.0)
    # The number of bars from the middle on, where it is told how many there are a pixel.
    bent = x * (1 + 0.5 * grating.slope * x / grating.half[0])
    x = bent / grating.period[0] + grating.phase[0] + grating.shift * row
    col = jnp.floor(x)
    bars = _bar(x - col, grating.filled[0], grating.period[0])
    rows = jnp.where(grating.has_rows, _bar(y - row, grating.filled[1], grating.period[1]), 1.0)
    chance = _chance(grating.seed, row, col)
    cell = (chance < grating.kept) * (grating.evenness + (1 - grating.evenness) * chance)
    return shown * bars * rows * cell


def _bar(place: jax.Array, filled: jax.Array, period: jax.Array) -> jax.Array:
    """A bar in the middle of each period, with edges one pixel wide; `place` in [0, 1)."""
    return jnp.clip((0.5 * filled - jnp.abs(place - 0.5)) * period + 0.5, 0, 1)


def _chance(seed: jax.Array, row: jax.Array, col: jax.Array) -> jax.Array:
    """A number in [0, 1) of each cell, the same wherever it is asked for (integer hashing)."""
    row, col = (n.astype(jnp.int32).astype(jnp.uint32) for n in (row, col))
    mixed = (row * jnp.uint32(0x9E3779B1)) ^ (col * jnp.uint32(0x85EBCA77)) ^ seed
    mixed = (mixed ^ (mixed >> 15)) * jnp.uint32(0x2C1B3C6D)
    mixed = (mixed ^ (mixed >> 12)) * jnp.uint32(0x297A2D39)
    return (mixed >> 8).astype(jnp.float32) / (1 << 24)
