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
