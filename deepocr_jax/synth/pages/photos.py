"""Photos as grounds of scenes, from which to learn what looks like text and is none."""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.errors import ParameterValueError

PHOTO_SHARE = 0.8
"""Share of the scenes that stand on a photo, if there are any."""
TWO_SHARE = 0.4
"""Share of those with a second photo before the first."""
BARE_SHARE = 0.5
"""Share of those on which only few of the blocks have text."""
FEW = 0.25
"""Share of the blocks that keep their text there."""


def read_photos(path: str | os.PathLike[str], height: int, width: int) -> np.ndarray:
    """Photos of a file of numpy's: uint8 [n, h, w, 3], without text, no smaller than a page.

    Args:
        path: As tools/cut_photos.py writes it.
        height: Of the pages, in pixels.
        width: The same.

    Raises:
        ParameterValueError: There is no such file, or it holds something else.
    """
    expected = f"expected a file of uint8 [n, {height} or more, {width} or more, 3]"
    try:
        photos = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ParameterValueError(
            f"photos: {expected}, could not read {os.fspath(path)!r} ({error}); "
            "tools/cut_photos.py writes one."
        ) from error
    is_right = isinstance(photos, np.ndarray) and photos.dtype == np.uint8 and photos.ndim == 4
    if (
        not is_right
        or not len(photos)
        or photos.shape[3] != 3
        or np.any(np.less(photos.shape[1:3], (height, width)))
    ):
        got = f"{photos.dtype} {list(photos.shape)}" if is_right else "something else"
        raise ParameterValueError(
            f"photos: {expected}, got {got}; cut larger ones with tools/cut_photos.py --side."
        )
    return photos


def set_on_photo(
    key: jax.Array, photos: jax.Array, is_scene: jax.Array, ground: jax.Array, used: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Gives most scenes a photo as their ground, and half of these text in few places only.

    Args:
        key: Random key.
        photos: [n, h, w, 3] uint8.
        is_scene: Whether the page is one.
        ground: [3, height, width] in [0, 1], painted.
        used: [b] bool, which blocks of the page have text.

    Returns:
        The ground and the blocks with text.
    """
    dice, photo, emptying = jax.random.split(key, 3)
    u = jax.random.uniform(dice, (2,))
    chosen = is_scene & (u[0] < PHOTO_SHARE)
    size = ground.shape[1], ground.shape[2]
    ground = jnp.where(chosen, photo_ground(photo, photos, size), ground)
    stays = jax.random.uniform(emptying, used.shape) < FEW
    is_bare = chosen & (u[1] < BARE_SHARE)
    return ground, used & (stays | ~is_bare)


def photo_ground(key: jax.Array, photos: jax.Array, size: tuple[int, int]) -> jax.Array:
    """A part of one of the photos, at times with a part of another one before it.

    Args:
        key: Random key.
        photos: [n, h, w, 3] uint8.
        size: (height, width) of the page.

    Returns:
        [3, height, width] in [0, 1].
    """
    behind, before, dice = jax.random.split(key, 3)
    u = jax.random.uniform(dice, (5,))
    row, col = jnp.arange(size[0])[:, None] / size[0], jnp.arange(size[1])[None, :] / size[1]
    inside = (jnp.abs(row - u[0]) < 0.5 * u[1]) & (jnp.abs(col - u[2]) < 0.5 * u[3])
    inside &= u[4] < TWO_SHARE
    return jnp.where(inside, _part(before, photos, size), _part(behind, photos, size))


def _part(key: jax.Array, photos: jax.Array, size: tuple[int, int]) -> jax.Array:
    u = jax.random.uniform(key, (4,))
    count, height, width, _ = photos.shape
    room = jnp.array([count - 1, height - size[0], width - size[1]])
    start = jnp.minimum(jnp.floor(u[:3] * (room + 1)).astype(jnp.int32), room)
    part = jax.lax.dynamic_slice(photos, (*start, 0), (1, *size, 3))[0]
    part = jnp.where(u[3] < 0.5, part, part[:, ::-1])
    return jnp.moveaxis(part, -1, 0).astype(jnp.float32) / 255
