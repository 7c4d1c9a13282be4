"""How a page is seen: turned, from the side, bent; picture and corners alike."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class View(NamedTuple):
    """A map between the picture and the page, exact in both directions.

    A homography takes places (x, y) of the picture to a flat page; then the page bends:
    y grows by `bend[0]` times the sine of `bend[1]` times x plus `bend[2]`.
    """

    homography: jax.Array
    bend: jax.Array


def to_page(view: View, places: jax.Array) -> jax.Array:
    """Places of the page that are seen at places [..., 2] (x, y) of the picture."""
    flat = _project(view.homography, places)
    return flat.at[..., 1].add(_bend(view, flat[..., 0]))


def to_picture(view: View, places: jax.Array) -> jax.Array:
    """Where places [..., 2] (x, y) of the page are seen in the picture."""
    flat = places.at[..., 1].add(-_bend(view, places[..., 0]))
    return _project(jnp.linalg.inv(view.homography), flat)


def _bend(view: View, x: jax.Array) -> jax.Array:
    return view.bend[0] * jnp.sin(view.bend[1] * x + view.bend[2])


def _project(matrix: jax.Array, places: jax.Array) -> jax.Array:
    x, y = places[..., 0], places[..., 1]
    u, v, w = (matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] for i in range(3))
    return jnp.stack([u / w, v / w], axis=-1)


def draw_view(
    key: jax.Array, is_scene: jax.Array, size: tuple[int, int], turned: bool = True
) -> View:
    """A view at random.

    Of the sheets of paper a fifth are seen as they are, a fifth lie almost straight, and the others
    are turned, two in five of these about by right angles. Scenes lean and are seen from the side,
    and half are turned. Without `turned` all of these lie almost straight.
    """
    kinds, turning, leaning, scaling, tilting, bending, shifting = jax.random.split(key, 7)
    height, width = size
    u = jax.random.uniform(kinds, (3,))
    straight = ~is_scene & (u[0] < 0.2)
    anyhow = turned & (u[0] > jnp.where(is_scene, 0.5, 0.4))
    quarter = (1 + jnp.floor(jax.random.uniform(turning) * 3)) * jnp.pi / 2
    lean = jax.random.normal(leaning) * jnp.where(is_scene, 0.1, 0.025)
    free = jax.random.uniform(turning, minval=-jnp.pi, maxval=jnp.pi)
    angle = jnp.where(anyhow, jnp.where(u[1] < 0.4, quarter + lean, free), lean)
    low, high = jnp.where(is_scene, 0.8, 0.92), jnp.where(is_scene, 1.25, 1.1)
    scale = low * (high / low) ** jax.random.uniform(scaling)
    aspect = jnp.exp(0.06 * jax.random.normal(shifting))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    stretch = jnp.diag(jnp.array([scale * aspect, scale / aspect, 1.0]))
    most = jnp.where(is_scene, 0.3, 0.06) / max(size)
    tilt = jnp.clip(jax.random.normal(tilting, (2,)), -2, 2) * most / 2
    side = jnp.eye(3).at[2, :2].set(tilt)
    centre = jnp.array([[1.0, 0, width / 2], [0, 1.0, height / 2], [0, 0, 1.0]])
    homography = centre @ stretch @ turn @ side @ jnp.linalg.inv(centre)
    homography = jnp.where(straight, jnp.eye(3), homography)
    b = jax.random.uniform(bending, (3,))
    amplitude = jnp.where((u[2] < 0.25) & ~straight, (b[0] - 0.5) * 0.03 * height, 0.0)
    bend = jnp.stack([amplitude, (1 + 3 * b[1]) * jnp.pi / width, 2 * jnp.pi * b[2]])
    return View(homography, bend)


def look(view: View, page: jax.Array, beyond: jax.Array) -> jax.Array:
    """The page as it is seen, bilinearly; where it ends, what lies beyond: both [c, h, w]."""
    _, height, width = page.shape
    y, x = jnp.arange(height)[:, None] + 0.5, jnp.arange(width)[None, :] + 0.5
    grid = jnp.stack(jnp.broadcast_arrays(x, y), axis=-1)
    # The padded copy also makes XLA keep the page, instead of working all that comes before into
    # each of the four readings of each pixel (tenfold the time of the whole synthesis).
    page = jnp.pad(page, ((0, 0), (1, 1), (1, 1)), mode="edge")
    place = to_page(view, grid) + 0.5
    col, row = jnp.clip(place[..., 0], 0, width), jnp.clip(place[..., 1], 0, height)
    away = jnp.maximum(jnp.abs(place[..., 0] - col), jnp.abs(place[..., 1] - row))
    left, top = jnp.floor(col).astype(jnp.int32), jnp.floor(row).astype(jnp.int32)
    right, low = col - left, row - top
    flat = page.reshape(page.shape[0], -1)
    stride = width + 2
    place = top * stride + left

    def pixel(index: jax.Array) -> jax.Array:
        return flat.at[:, index].get(mode="promise_in_bounds")

    upper = pixel(place) * (1 - right) + pixel(place + 1) * right
    lower = pixel(place + stride) * (1 - right) + pixel(place + stride + 1) * right
    seen = upper * (1 - low) + lower * low
    return seen + jnp.clip(away, 0, 1) * (beyond - seen)
