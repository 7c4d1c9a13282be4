"""What cameras and files do to a crop: blur, few pixels, noise, JPEG."""

from __future__ import annotations

import cv2
import numpy as np

from deepocr_jax.geometry.crops import resize_image

Generator = np.random.Generator

_MIN_HEIGHT = 11  # rows of a crop below which its small letters cannot be told apart


def wear_out(random: Generator, image: np.ndarray) -> np.ndarray:
    """float32 [h, w, 3] in about 0..255 -> uint8 of the same shape, as a camera might see it."""
    height, width = image.shape[:2]
    image = _blurred(random, image)
    low_height = height
    if random.random() < 0.65:
        low_height = int(random.integers(_MIN_HEIGHT, height))
        low_width = max(4, round(width * low_height / height))
        image = cv2.resize(image, (low_width, low_height), interpolation=cv2.INTER_AREA)
    if random.random() < 0.35:
        noise = random.standard_normal(image.shape, np.float32)
        image = image + noise * np.float32(random.uniform(1, 16))
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        # A crop of few rows loses more to the same quality.
        quality = int(random.integers(25 if low_height > 24 else 50, 96))
        pixels = _jpeg(pixels, quality)
    if low_height == height:
        return pixels
    if random.random() < 0.3:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    return resize_image(pixels, height, width)


def _blurred(random: Generator, image: np.ndarray) -> np.ndarray:
    dice = random.random()
    if dice < 0.4:
        return cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.4, 2.0)))
    if dice < 0.5:  # the camera moved
        length = int(random.integers(3, 7))
        angle = random.uniform(0, np.pi)
        kernel = np.zeros((7, 7), np.float32)
        reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        start, stop = np.rint(3 - reach).astype(int), np.rint(3 + reach).astype(int)
        cv2.line(kernel, start.tolist(), stop.tolist(), 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """What is left after writing and reading a JPEG file."""
    # Red and blue change places in OpenCV; they must not, as colour is stored with fewer pixels.
    bgr = np.ascontiguousarray(pixels[:, :, ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
