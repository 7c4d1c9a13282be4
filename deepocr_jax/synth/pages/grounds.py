"""What text stands on: paper, walls, clutter; and the colours of panels and inks."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.synth.pages.blocks import BLOCKS, Blocks
from deepocr_jax.synth.pages.painting import paint_rectangles

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601

_CLUTTER = 40  # rectangles
_DISCS = 5
_OCTAVES = (2, 6, 18, 60)  # cells across a page


class Colours(NamedTuple):
    """Colours of blocks in [0, 1]: panels [b, 3], how opaque they are [b], inks [b, 3]."""

    panel: jax.Array
    opacity: jax.Array
    ink: jax.Array


def luminance(image: jax.Array) -> jax.Array:
    """Luminance of [3, h, w]: [h, w]."""
    return jnp.einsum("c,chw->hw", jnp.array(LUMINANCE), image)


def smooth_noise(key: jax.Array, size: tuple[int, int], cells: int, channels: int) -> jax.Array:
    """Smooth random values, about standard normal: [channels, height, width]."""
    grid = jax.random.normal(key, (channels, cells + 1, cells + 1))
    rows, cols = (jnp.asarray(_interpolation(n, cells)) for n in size)
    return jnp.einsum("hr,crs,ws->chw", rows, grid, cols)


def _interpolation(length: int, cells: int) -> np.ndarray:
    """Matrix from cells + 1 values to `length` ones, going smoothly from one to the next."""
    place = (np.arange(length) + 0.5) / length * cells
    cell = np.minimum(place.astype(int), cells - 1)
    part = place - cell
    part = part * part * (3 - 2 * part)
    matrix = np.zeros((length, cells + 1), np.float32)
    matrix[np.arange(length), cell] = 1 - part
    matrix[np.arange(length), cell + 1] += part
    return matrix


def paint_ground(key: jax.Array, is_scene: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Paper or the clutter of a photo: [3, height, width] in [0, 1]."""
    base, noise, grain, clutter, discs, calm = jax.random.split(key, 6)
    u = jax.random.uniform(base, (5,))
    white = 1 - 0.3 * u[0] ** 3
    tint = 0.06 * u[1] ** 2 * jnp.array([0.2, -0.2, -1.0])
    paper = white + jnp.where(u[2] < 0.3, tint, 0.0)
    wall = 0.1 + 0.75 * u[3] + 0.12 * jax.random.normal(calm, (3,)) * u[4]
    colour = jnp.where(is_scene, wall, paper)
    level = jnp.where(is_scene, 0.03 + 0.09 * u[2] ** 2, 0.02 * u[4] ** 2)
    fine = jnp.array([1.5, 1.0, 0.7, 0.4])
    strengths = level * fine * jax.random.uniform(grain, (len(_OCTAVES),))
    noises = [
        strength * smooth_noise(octave, size, cells, 4)
        for octave, strength, cells in zip(
            jax.random.split(noise, len(_OCTAVES)), strengths, _OCTAVES, strict=True
        )
    ]
    texture = jnp.zeros((4, *size))
    for layer in noises:
        texture += layer
    image = colour[:, None, None] + 0.25 * texture[:3] + 0.7 * texture[3:]
    shapes = _clutter(clutter, size) + _discs(discs, size)
    return jnp.clip(image + jnp.where(is_scene, jnp.minimum(1, 2 * u[0]), 0.0) * shapes, 0, 1)


def _clutter(key: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Rectangles of all sizes, also long and thin ones, that brighten or darken."""
    places, extents, colours = jax.random.split(key, 3)
    scale = jnp.array([size[1], size[0]], jnp.float32)
    middle = jax.random.uniform(places, (_CLUTTER, 2)) * scale
    extent = scale * jnp.exp(jax.random.uniform(extents, (_CLUTTER, 2), minval=-5.0, maxval=-0.5))
    boxes = jnp.concatenate([middle - extent / 2, middle + extent / 2], axis=1)
    gray, hue, strength = jnp.split(jax.random.normal(colours, (_CLUTTER, 5)), (1, 4), axis=1)
    return paint_rectangles(boxes, 0.22 * strength * (gray + 0.2 * hue), size)


def _discs(key: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Ellipses and rings, as lamps and wheels."""
    places, colours = jax.random.split(key)
    u = jax.random.uniform(places, (_DISCS, 5))
    colours = 0.25 * _muted(colours, _DISCS)[..., None, None]
    y, x = jnp.arange(size[0])[:, None], jnp.arange(size[1])[None, :]
    total = jnp.zeros((3, *size))
    for disc, colour in zip(u, colours, strict=True):
        dx, dy = (x - disc[0] * size[1]) * (0.5 + disc[3]), y - disc[1] * size[0]
        distance = jnp.sqrt(dx * dx + dy * dy)
        radius = size[0] * (0.02 + 0.15 * disc[2] ** 2)
        hole = jnp.where(disc[4] < 0.5, 0.0, 0.8 * radius)
        cover = jnp.clip(radius - distance, 0, 1) * jnp.clip(distance - hole + 1, 0, 1)
        total += cover * colour
    return total


def _muted(key: jax.Array, count: int) -> jax.Array:
    """Colours about gray, about standard normal: [count, 3]."""
    values = jax.random.normal(key, (count, 4))
    return values[:, 3:] + 0.3 * values[:, :3]


def draw_colours(key: jax.Array, blocks: Blocks, is_scene: jax.Array, ground: jax.Array) -> Colours:
    """Colours of the blocks on a ground [3, height, width]: ink differs from what is behind it."""
    inks, panels, dice, chroma = jax.random.split(key, 4)
    u = jax.random.uniform(dice, (BLOCKS, 4))
    row, col = ((blocks.box[:, i] + blocks.box[:, i + 2]) / 2 for i in (1, 0))
    limits = jnp.array(ground.shape[1:]) - 1
    place = jnp.clip(jnp.stack([row, col], axis=1).astype(jnp.int32), 0, limits)
    behind = ground[:, place[:, 0], place[:, 1]].T
    panel = jnp.clip(
        jax.random.uniform(panels, (BLOCKS, 1)) * 1.1
        + 0.3 * u[:, :1] ** 2 * jax.random.normal(chroma, (BLOCKS, 3)),
        0,
        1,
    )
    shade = jnp.where(u[:, :1] < 0.6, 0.9 * behind, 0.08 + 0.1 * behind)
    panel = jnp.where(is_scene, panel, shade)
    opacity = jnp.where(is_scene, jnp.where(u[:, 1] < 0.7, 1.0, 0.4 * u[:, 2]), u[:, 1] < 0.07)
    behind = behind + opacity[:, None] * (panel - behind)
    light = behind @ jnp.array(LUMINANCE)
    v = jax.random.uniform(inks, (BLOCKS, 3))
    # Far enough away from the ground, to the side that has more room, at times to the other.
    darker = (light > 0.5) ^ ((jnp.abs(light - 0.5) < 0.2) & (v[:, 2] < 0.4))
    least = 0.25
    target = jnp.where(
        darker,
        (light - least) * (1 - v[:, 0] ** 0.7),
        light + least + (1 - light - least) * v[:, 0] ** 0.7,
    )
    scene_ink = target[:, None] + 0.25 * (v[:, 1:2] ** 2) * jax.random.normal(chroma, (BLOCKS, 3))
    page_ink = 0.3 * v[0, 0] ** 2
    coloured = jnp.where(u[:, 3:] < 0.1, 0.35 * jax.random.uniform(chroma, (BLOCKS, 3)), 0.0)
    paper_ink = jnp.where((light < 0.45)[:, None], 0.95, page_ink + coloured)
    return Colours(panel, opacity, jnp.clip(jnp.where(is_scene, scene_ink, paper_ink), 0, 1))


def paint_panels(
    blocks: Blocks, colours: Colours, ground: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Lays the panels of the blocks onto a ground: (ground, colour of ink there), [3, h, w] each.

    Outside of all blocks the ink has the colour of the first block.
    """
    _, height, width = ground.shape
    y, x = jnp.arange(height)[:, None] + 0.5, jnp.arange(width)[None, :] + 0.5
    low, high = blocks.box[:, :2, None, None], blocks.box[:, 2:, None, None]
    middle, half = (low + high) / 2, (high - low) / 2 + 0.3 * blocks.em[:, None, None, None]
    cosine, sine = (f(blocks.angle)[:, None, None] for f in (jnp.cos, jnp.sin))
    dx, dy = x - middle[:, 0], y - middle[:, 1]
    across = jnp.abs(cosine * dx + sine * dy) - half[:, 0]
    along = jnp.abs(cosine * dy - sine * dx) - half[:, 1]
    cover = jnp.clip(0.5 - jnp.maximum(across, along), 0, 1) * blocks.used[:, None, None]
    opacity = colours.opacity[:, None]
    layers = [
        opacity * colours.panel,
        opacity,
        colours.ink - colours.ink[0],
        jnp.ones_like(opacity),
    ]
    layers = jnp.einsum("bl,bhw->lhw", jnp.concatenate(layers, axis=1), cover)
    layers = layers / jnp.maximum(layers[7:], 1.0)  # where blocks overlap, their mean
    ground = ground * (1 - layers[3:4]) + layers[:3]
    return ground, colours.ink[0, :, None, None] + layers[4:7]
