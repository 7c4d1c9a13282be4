"""Maps computed tile by tile, so that each pixel looks only at the shapes near it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Tiles(NamedTuple):
    """The tiles of a map, row by row.

    Attributes:
        corners: [t, 2] (x, y) of the first corner of each.
        x: [t, side * side] of each pixel's centre, in continuous coordinates.
        y: The same.
    """

    corners: jax.Array
    x: jax.Array
    y: jax.Array


def make_tiles(shape: tuple[int, int], side: int) -> Tiles:
    """The tiles of a map of a shape whose sides are multiples of a tile's."""
    rows, cols = shape[0] // side, shape[1] // side
    top, left = jnp.meshgrid(jnp.arange(rows) * side, jnp.arange(cols) * side, indexing="ij")
    corners = jnp.stack([left.ravel(), top.ravel()], axis=1).astype(jnp.float32)
    down, right = jnp.meshgrid(jnp.arange(side), jnp.arange(side), indexing="ij")
    x = corners[:, :1] + right.ravel() + 0.5
    y = corners[:, 1:] + down.ravel() + 0.5
    return Tiles(corners, x, y)


def join_tiles(values: jax.Array, shape: tuple[int, int], side: int) -> jax.Array:
    """[t, side * side] values of the pixels of tiles -> the map of the shape."""
    rows, cols = shape[0] // side, shape[1] // side
    return values.reshape(rows, cols, side, side).swapaxes(1, 2).reshape(shape)


def nearest_shapes(
    corners: jax.Array,
    side: int,
    bounds: jax.Array,
    centres: jax.Array,
    exists: jax.Array,
    count: int,
) -> tuple[jax.Array, jax.Array]:
    """For each tile the nearest shapes that touch it.

    Args:
        corners: [t, 2] (x, y) of the tiles.
        side: Of a tile.
        bounds: [k, 4] (x0, y0, x1, y1) of all that each shape touches.
        centres: [k, 2] (x, y) of the shapes.
        exists: [k] bool.
        count: At most so many.

    Returns:
        Numbers [t, count] of shapes, and whether they are any [t, count].
    """
    low, high = bounds[:, :2], bounds[:, 2:]
    touches = (low < corners[:, None] + side) & (high > corners[:, None])
    touches = touches.all(axis=-1) & exists
    offset = corners[:, None] + side / 2 - centres
    nearness = jnp.where(touches, -jnp.sum(offset * offset, axis=-1), -jnp.inf)
    values, numbers = lax.top_k(nearness, min(count, nearness.shape[1]))
    return numbers, jnp.isfinite(values)
