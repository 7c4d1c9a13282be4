"""The constants that turn an image into a network's input; they travel with its weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Preprocess:
    """What turns a uint8 RGB image into the network's input: (value - mean) / deviation."""

    mean: float = 127.5
    deviation: float = 127.5
    channel_order: str = "rgb"
    image_range_min: float = 0.0
    image_range_max: float = 255.0


def normalize(images: jax.Array, preprocess: Preprocess) -> jax.Array:
    """RGB [..., 3], values 0 to 255 -> the network's input, float32."""
    if preprocess.channel_order == "bgr":
        images = images[..., ::-1]
    return (images.astype(jnp.float32) - preprocess.mean) / preprocess.deviation


def two_thirds(images: jax.Array) -> jax.Array:
    """[n, h, w, c], h and w multiples of 3 -> [n, 2 h / 3, 2 w / 3, c], by area."""
    n, h, w, c = images.shape
    x = _two_of_three(images.reshape(n, h // 3, 3, w, c), axis=2)
    x = _two_of_three(x.reshape(n, 2 * h // 3, w // 3, 3, c), axis=3)
    return x.reshape(n, 2 * h // 3, 2 * w // 3, c)


def _two_of_three(x: jax.Array, axis: int) -> jax.Array:
    """Three pixels of an axis -> the two that cover the same length."""
    first, middle, last = jnp.split(x, 3, axis=axis)
    return jnp.concatenate([(2 * first + middle) / 3, (middle + 2 * last) / 3], axis=axis)
