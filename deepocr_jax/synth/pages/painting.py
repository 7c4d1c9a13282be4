"""Ink: glyphs painted as patches, lines as products of profiles, pens as dots."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deepocr_jax.synth.pages.atlas import LEVELS, MARGIN
from deepocr_jax.synth.pages.glyphs import PATCHES_PX, Glyphs, class_sizes
from deepocr_jax.synth.pages.types import GlyphAtlas

_WINDOWS = lax.ScatterDimensionNumbers(
    update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0, 1)
)
_DOT = 5  # pixels; side of a pen's dot


def paint_glyphs(
    atlas: GlyphAtlas, glyphs: Glyphs, strength: jax.Array, size: tuple[int, int]
) -> jax.Array:
    """The ink of the glyphs.

    Args:
        atlas: Pictures.
        glyphs: In three classes of size, as `place_glyphs` gives them.
        strength: [k] ink of each in [0, 1].
        size: (height, width) in pixels.

    Returns:
        [height, width] in [0, 1]; where glyphs overlap, the most of them.
    """
    ink = jnp.zeros(size)
    strength = jnp.where(glyphs.used, strength, 0.0)
    start = 0
    for count, patch in zip(class_sizes(len(glyphs.word)), PATCHES_PX, strict=True):
        if count:
            part = jax.tree.map(lambda x, a=start, b=start + count: x[a:b], glyphs)
            ink = _paint_class(atlas, part, strength[start : start + count], ink, patch)
        start += count
    return ink


def _paint_class(
    atlas: GlyphAtlas, glyphs: Glyphs, strength: jax.Array, ink: jax.Array, patch: int
) -> jax.Array:
    box = atlas.boxes[glyphs.face, glyphs.code]
    middle = (box[:, :2] + box[:, 2:]) / 2
    centre = glyphs.origin + jnp.einsum("kij,kj->ki", glyphs.axes, middle)
    patch = min(patch, *ink.shape)
    # A patch at the border is moved inside; its pixels still know where they are.
    corner = jnp.floor(centre[:, ::-1]).astype(jnp.int32) - patch // 2
    corner = jnp.clip(corner, 0, jnp.array(ink.shape) - patch)
    scale = atlas.scales[glyphs.face]
    texel_of, texels_a_pixel = _texel_matrix(glyphs.axes, scale)
    # Texels of the cell: a margin, then the ink from the left top of its box.
    offset = MARGIN - box[:, :2] * scale[:, None]
    col = corner[:, 1, None] + jnp.arange(patch) + 0.5 - glyphs.origin[:, :1]
    row = corner[:, 0, None] + jnp.arange(patch) + 0.5 - glyphs.origin[:, 1:]
    u, v = (
        texel_of[:, i, 0, None, None] * col[:, None, :]
        + texel_of[:, i, 1, None, None] * row[:, :, None]
        + offset[:, i, None, None]
        for i in (0, 1)
    )
    cover = _sample(atlas, glyphs, u, v, texels_a_pixel)
    # Magnified edges are as soft as a texel is large; they are made one pixel wide.
    steepness = jnp.maximum(1.0, 0.9 / texels_a_pixel)[:, None, None]
    cover = jnp.clip((cover - 0.5) * steepness + 0.5, 0, 1) * strength[:, None, None]
    return lax.scatter_max(
        ink, corner, cover, _WINDOWS, mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS
    )


def _texel_matrix(axes: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Matrices from pixels to texels [k, 2, 2], and how many texels wide a pixel is [k]."""
    determinant = axes[:, 0, 0] * axes[:, 1, 1] - axes[:, 0, 1] * axes[:, 1, 0]
    rows = [
        jnp.stack([axes[:, 1, 1], -axes[:, 0, 1]], axis=-1),
        jnp.stack([-axes[:, 1, 0], axes[:, 0, 0]], axis=-1),
    ]
    inverse = jnp.stack(rows, axis=1) / determinant[:, None, None]
    return inverse * scale[:, None, None], scale / jnp.sqrt(jnp.abs(determinant))


def _sample(
    atlas: GlyphAtlas, glyphs: Glyphs, u: jax.Array, v: jax.Array, texels_a_pixel: jax.Array
) -> jax.Array:
    """The atlas at texels (u, v) of the finest level, bilinearly in the level that fits."""
    sides = jnp.array(LEVELS)
    begins = jnp.array(np.cumsum([0, *(s * s for s in LEVELS)])[:-1])
    level = jnp.clip(jnp.round(jnp.log2(texels_a_pixel)), 0, len(LEVELS) - 1).astype(jnp.int32)
    side = sides[level][:, None, None]
    first = (glyphs.face * atlas.texels.shape[1] + glyphs.code) * atlas.texels.shape[2]
    first = (first + begins[level])[:, None, None]
    u, v = u * side / LEVELS[0] - 0.5, v * side / LEVELS[0] - 0.5
    inside = (u > -0.5) & (u < side - 0.5) & (v > -0.5) & (v < side - 0.5)
    u, v = jnp.clip(u, 0, side - 1.001), jnp.clip(v, 0, side - 1.001)
    left, top = jnp.floor(u).astype(jnp.int32), jnp.floor(v).astype(jnp.int32)
    right, low = u - left, v - top
    texels = atlas.texels.reshape(-1)
    place = first + top * side + left

    def texel(index: jax.Array) -> jax.Array:
        return texels.at[index].get(mode="promise_in_bounds").astype(jnp.float32)

    upper = texel(place) * (1 - right) + texel(place + 1) * right
    lower = texel(place + side) * (1 - right) + texel(place + side + 1) * right
    return jnp.where(inside, upper * (1 - low) + lower * low, 0.0) / 255.0


def paint_rectangles(boxes: jax.Array, strength: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Upright rectangles with exact coverage at their edges, added up.

    Args:
        boxes: [r, 4] left, top, right, bottom in pixels.
        strength: [r, c].
        size: (height, width) in pixels.

    Returns:
        [c, height, width].
    """
    cols = _profile(boxes[:, 0], boxes[:, 2], size[1])
    rows = _profile(boxes[:, 1], boxes[:, 3], size[0])
    return jnp.einsum("crh,rw->chw", strength.T[:, :, None] * rows, cols)


def _profile(low: jax.Array, high: jax.Array, length: int) -> jax.Array:
    """How much of each pixel lies between two places: [r, length]."""
    pixel = jnp.arange(length)
    covered = jnp.minimum(pixel + 1, high[:, None]) - jnp.maximum(pixel, low[:, None])
    return jnp.clip(covered, 0, 1)


def paint_dots(
    places: jax.Array, radius: jax.Array, strength: jax.Array, ink: jax.Array
) -> jax.Array:
    """Round soft dots, as a pen leaves them.

    Args:
        places: [d, 2] (x, y) in pixels.
        radius: [d] in pixels, at most 2.
        strength: [d] in [0, 1].
        ink: [height, width] to which they are added, taking the larger.

    Returns:
        [height, width].
    """
    corner = jnp.floor(places[:, ::-1]).astype(jnp.int32) - _DOT // 2
    corner = jnp.clip(corner, 0, jnp.array(ink.shape) - _DOT)
    offset = corner[:, :, None] + jnp.arange(_DOT) + 0.5 - places[:, ::-1, None]
    distance = jnp.sqrt(offset[:, 0, :, None] ** 2 + offset[:, 1, None, :] ** 2)
    cover = jnp.clip(radius[:, None, None] + 0.5 - distance, 0, 1) * strength[:, None, None]
    return lax.scatter_max(
        ink, corner, cover, _WINDOWS, mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS
    )
