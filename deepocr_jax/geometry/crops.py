"""Image crops along rotated boxes, and scaled images with what undoes the scaling."""

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import directions

# Below this ratio a bilinear sample skips pixels, so the source is shrunk by area first.
MIN_BILINEAR_SCALE = 0.6


def crop_to_image(box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Affine map [2, 3] from (x, y) in a crop of height x width to (x, y) in the image.

    The crop's outer edges lie on the box's edges; pixel centres are at whole numbers.
    """
    row, col, phi, length1, length2 = (float(v) for v in box)
    along, across = directions(np.asarray([phi]))
    step_x = along[0, ::-1] * (2 * length1 / width)
    step_y = across[0, ::-1] * (2 * length2 / height)
    centre = np.array([col, row])
    origin = centre - step_x * (width - 1) / 2 - step_y * (height - 1) / 2
    return np.column_stack([step_x, step_y, origin])


def crop_box(image: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """The content of a rotated box as an upright crop [height, width, 3] uint8.

    Samples bilinearly; outside the image its border is repeated. Where the crop is much smaller
    than the box, the source is first shrunk by area, so that no stroke falls between samples.
    """
    matrix = crop_to_image(box, height, width)
    scale = min(height / (2 * box[4]), width / (2 * box[3])) if min(box[3:]) > 0 else 1.0
    if scale < MIN_BILINEAR_SCALE:
        image, matrix = _shrunk_source(image, matrix, height, width, scale)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def _shrunk_source(
    image: np.ndarray, matrix: np.ndarray, height: int, width: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image that a crop samples, shrunk by area, and the map into it."""
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1.0]]) @ matrix.T
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
    x1, y1 = np.maximum(np.ceil(corners.max(axis=0)).astype(int) + 3, 1)
    part = image[min(y0, image.shape[0] - 1) : y1, min(x0, image.shape[1] - 1) : x1]
    size = [max(1, round(side * scale)) for side in part.shape[1::-1]]
    shrunk = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    factors = np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
    matrix = matrix.copy()
    matrix[:, 2] = (matrix[:, 2] - [x0, y0] + 0.5) * factors - 0.5
    matrix[:, :2] *= factors[:, None]
    return shrunk, matrix


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """[h, w, 3] -> [height, width, 3], by area when shrinking and bilinearly otherwise."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height < image.shape[0] and width < image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=interpolation)
