"""Geometric changes: the crop's four corners move, and what lies between follows."""

import math

import jax
import jax.numpy as jnp

from deepocr_jax.augment.options import AugmentOptions


def source_corners(key: jax.Array, height: int, width: jax.Array, o: AugmentOptions) -> jax.Array:
    """Where the corners of the changed image lie in the given one.

    Args:
        key: Random key.
        height: Of the image, in pixels.
        width: Columns of it that count.
        o: Ranges of `rotate_range`, `remove_pixel`, `stretch` and `perspective`.

    Returns:
        [2, 2, 2]: (top, bottom) x (left, right) x (row, col), pixel-centred.
    """
    turn, edges, stretch, corners = jax.random.split(key, 4)
    bottom, right = height - 1.0, width - 1.0
    cut = jax.random.uniform(edges, (4,), minval=-o.remove_pixel, maxval=o.remove_pixel)
    rows = jnp.stack([cut[0], bottom - cut[1]])
    cols = jnp.stack([cut[2], right - cut[3]])
    factor = jnp.exp(jax.random.uniform(stretch, minval=-1.0) * math.log1p(o.stretch))
    cols = right / 2 + (cols - right / 2) * factor
    quad = jnp.stack(jnp.meshgrid(rows, cols, indexing="ij"), axis=-1)
    limit = o.perspective * height
    quad += jax.random.uniform(corners, quad.shape, minval=-limit, maxval=limit)
    angle = jnp.deg2rad(jax.random.uniform(turn, minval=-o.rotate_range, maxval=o.rotate_range))
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    centre = jnp.stack([jnp.asarray(bottom / 2), right / 2])
    rotation = jnp.stack([jnp.stack([cosine, -sine]), jnp.stack([sine, cosine])])
    return (quad - centre) @ rotation.T + centre


def warp(image: jax.Array, corners: jax.Array, width: jax.Array) -> jax.Array:
    """The part of an image between four corners, bilinearly spread over the image's shape.

    Args:
        image: [h, w, c]; of its columns the first `width` count.
        corners: [2, 2, 2] as `source_corners` gives them.
        width: See there.

    Returns:
        [h, w, c]; outside the image its border is repeated.
    """
    h, w, c = image.shape
    down = (jnp.arange(h) / max(h - 1, 1))[:, None, None]
    across = (jnp.arange(w) / jnp.maximum(width - 1, 1))[None, :, None]
    top = corners[0, 0] + (corners[0, 1] - corners[0, 0]) * across
    bottom = corners[1, 0] + (corners[1, 1] - corners[1, 0]) * across
    place = top + (bottom - top) * down
    row = jnp.clip(place[..., 0], 0, h - 1)
    col = jnp.clip(place[..., 1], 0, jnp.maximum(width - 1, 0))
    row0, col0 = jnp.floor(row), jnp.floor(col)
    row1, col1 = jnp.minimum(row0 + 1, h - 1), jnp.minimum(col0 + 1, width - 1)
    right, low = (col - col0)[..., None], (row - row0)[..., None]
    flat = image.reshape(h * w, c)

    def pixel(r: jax.Array, k: jax.Array) -> jax.Array:
        return jnp.take(flat, (r * w + k).astype(jnp.int32), axis=0)

    upper = pixel(row0, col0) * (1 - right) + pixel(row0, col1) * right
    lower = pixel(row1, col0) * (1 - right) + pixel(row1, col1) * right
    return upper * (1 - low) + lower * low
