"""How ink lies on its ground: halftones, shadows, the back showing through, embossed letters."""

from __future__ import annotations

import jax
import jax.numpy as jnp

_SCREENED = 0.08  # share of pages whose grounds are printed in dots
_SHADOWED = 0.25  # share of scenes whose letters cast a shadow
_THIN = 0.12  # share of documents whose back shows through
_EMBOSSED = 0.06  # share of scenes with raised letters in the colour of their ground


def print_ground(
    key: jax.Array, ground: jax.Array, ink: jax.Array, is_scene: jax.Array
) -> jax.Array:
    """What lies under the letters.

    Args:
        key: Random key.
        ground: [3, h, w] in [0, 1].
        ink: [h, w] in [0, 1], where the letters are.
        is_scene: Whether it is a scene, and not a document.

    Returns:
        The ground, in dots at times, with the letters' shadow on it (scenes) or with the letters of
        the other side of the sheet shining through (documents).
    """
    screening, dice = jax.random.split(key)
    u = jax.random.uniform(dice, (6,))
    ground = jnp.where(u[0] < _SCREENED, _in_dots(screening, ground), ground)
    shift = jnp.floor(u[1:3] * 7).astype(jnp.int32) - 3
    shadow = jnp.roll(ink, shift, axis=(0, 1))
    # Another page's text would be as good; the same one mirrored costs nothing.
    back = jnp.roll(ink[:, ::-1], 8 * shift, axis=(0, 1))
    back = (back + jnp.roll(back, 1, axis=0) + jnp.roll(back, 1, axis=1)) / 3
    under = jnp.where(is_scene, shadow, back)
    darkest = jnp.where(is_scene, 0.6, 0.05 + 0.2 * u[3])
    share = jnp.where(is_scene, _SHADOWED, _THIN)
    return ground * (1 - jnp.where(u[4] < share, darkest, 0.0) * under)


def print_ink(
    key: jax.Array, ground: jax.Array, ink: jax.Array, colour: jax.Array, is_scene: jax.Array
) -> jax.Array:
    """Letters on a ground, or raised from it and lit from a side.

    Args:
        key: Random key.
        ground: [3, h, w] in [0, 1].
        ink: [h, w] in [0, 1], where it is.
        colour: [3, h, w], of the ink.
        is_scene: As above.
    """
    u = jax.random.uniform(key, (4,))
    raised = is_scene & (u[0] < _EMBOSSED)
    towards = jnp.where(u[1:3] < 0.5, -1, 1)
    relief = jnp.roll(ink, towards, axis=(0, 1)) - jnp.roll(ink, -towards, axis=(0, 1))
    cover = jnp.where(raised, 0.2, 1.0) * ink
    image = ground + cover * (colour - ground)
    return image + jnp.where(raised, 0.25 + 0.3 * u[3], 0.0) * relief


def _in_dots(key: jax.Array, image: jax.Array) -> jax.Array:
    """An image [3, h, w] as dots of a turned screen, larger where it is darker."""
    u = jax.random.uniform(key, (3,))
    wave, angle = 2 * jnp.pi / (3 + 4 * u[0]), jnp.pi / 2 * u[1]
    y, x = (jnp.arange(n, dtype=jnp.float32) for n in image.shape[1:])
    a, b = wave * jnp.cos(angle), wave * jnp.sin(angle)
    # cos(a x + b y) and cos(a y - b x), of values along one axis each.
    first = jnp.outer(jnp.cos(b * y), jnp.cos(a * x)) - jnp.outer(jnp.sin(b * y), jnp.sin(a * x))
    second = jnp.outer(jnp.cos(a * y), jnp.cos(b * x)) + jnp.outer(jnp.sin(a * y), jnp.sin(b * x))
    dots = jax.nn.sigmoid(8 * (image - 0.5 - 0.22 * (first + second)))
    return image + (0.3 + 0.5 * u[2]) * (dots - image)
