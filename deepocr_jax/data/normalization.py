"""The values of images as a model wants them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deepocr_jax.types import FloatArray, ImageArray

NORMALIZATION_TYPES = ("none", "first_channel", "all_channels", "constant_values")


def normalize_image(image: ImageArray, param: Mapping[str, Any]) -> ImageArray | FloatArray:
    """Maps the values of an image, with low = image_range_min and high = image_range_max.

    * "none": (high - low) / 255 * value + low; an image whose range is 0 to 255 stays as it is.
    * "first_channel": the smallest and the largest value of the first channel become low and high,
      and all channels are mapped by the same line and cut off at low and high.
    * "all_channels": the same, with a line for each channel by its own values.
    * "constant_values": (value - mean) / deviation with one constant pair for each channel.

    A channel of one value only becomes low.

    Args:
        image: uint8 [h, w, channels].
        param: checked parameters.

    Returns:
        The image itself (uint8) where its values stay, else float32 [h, w, channels].
    """
    kind, low, high = (
        param["normalization_type"],
        param["image_range_min"],
        param["image_range_max"],
    )
    if kind == "none" and (low, high) == (0, 255):
        return image
    values = image.astype(np.float32)
    if kind == "none":
        return values * np.float32((high - low) / 255) + np.float32(low)
    if kind == "constant_values":
        mean = np.asarray(param.get("mean_values_normalization"), np.float32)
        deviation = np.asarray(param.get("deviation_values_normalization"), np.float32)
        return (values - mean) / deviation
    measured = values[:, :, :1] if kind == "first_channel" else values
    first, last = measured.min(axis=(0, 1)), measured.max(axis=(0, 1))
    span = np.maximum(last - first, 1)
    scaled = (values - first) * (np.float32(high - low) / span) + np.float32(low)
    return np.clip(scaled, np.float32(low), np.float32(high))
