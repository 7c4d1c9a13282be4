"""Word crops as the recognizer reads them: 48 pixels high, as wide as their aspect ratio says."""

import numpy as np

from deepocr_jax.data.word_checks import LINE_HEIGHT, scaled_width
from deepocr_jax.geometry.crops import crop_box, resize_image
from deepocr_jax.types import ImageArray

DEFAULT_IMAGE_WIDTH = 2048


def scale_crop(image: ImageArray, image_width: int = DEFAULT_IMAGE_WIDTH) -> ImageArray:
    """A word image, uint8 [h, w, 3], as a crop for the recognizer: uint8 [48, width, 3].

    The same as in inference (`infer.pipeline.read_word_images`), which reads what is wider than
    `image_width` in pieces instead of squeezing it.
    """
    height, width = image.shape[:2]
    return resize_image(image, LINE_HEIGHT, scaled_width(height, width, image_width))


def box_crop_size(length1: float, length2: float) -> tuple[int, int]:
    """(height, width) of the crop along a box with these half lengths, at least one pixel each."""
    return max(1, round(2 * length2)), max(1, round(2 * length1))


def cut_box(image: ImageArray, box: np.ndarray) -> ImageArray:
    """The upright content of a box (row, col, phi, length1, length2) in its own size."""
    return crop_box(image, box, *box_crop_size(float(box[3]), float(box[4])))
