"""The image of a dataset's sample: where its file lies, its pixels, its size from the header."""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deepocr_jax.data.keys import BOX_KEYS_2
from deepocr_jax.data.word_crops import cut_box
from deepocr_jax.errors import DatasetError
from deepocr_jax.image import _identify, _orientation, read_image
from deepocr_jax.types import ImageArray

# Chunks of a PNG file that may hold EXIF data. Pillow looks for them behind the pixels as well,
# which it decodes on the way; a file without any of them is spared that.
_PNG_EXIF_MARKS = (b"eXIf", b"iTXt", b"zTXt", b"tEXt")
_TURNED = range(5, 9)  # the EXIF orientations that swap rows and columns


def file_in(folder: Any, name: Any, what: str) -> Path:
    """The path of a file that a dataset names relative to one of its folders.

    Args:
        folder: the folder, as the dataset has it.
        name: the name, relative to the folder.
        what: what messages call the file.

    Raises:
        DatasetError: either is missing, or the name leads out of the folder.
    """
    if not isinstance(folder, str) or not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(
            f"Expected a folder and a file name in it for {what}, got {folder!r} and {name!r}; "
            "complete the dataset."
        )
    path = Path(folder) / name
    inside = Path(folder).resolve()
    if not path.resolve().is_relative_to(inside):
        raise DatasetError(
            f"Expected {what} inside the folder {folder!r}, but {name!r} leads out of it; copy "
            "the file into the folder, or name the folder above both."
        )
    return path


def image_path(dataset: Mapping[str, Any], sample: Mapping[str, Any]) -> Path:
    """The path of a sample's image; raises `DatasetError` where there is none in `image_dir`."""
    what = f"the image of sample {sample.get('image_id')!r}"
    return file_in(dataset.get("image_dir"), sample.get("image_file_name"), what)


def word_box(sample: Mapping[str, Any]) -> np.ndarray | None:
    """The box [5] of a recognition sample that is cut out of a larger image, None without one.

    Raises:
        DatasetError: the box has no area, or is not made of finite numbers.
    """
    if "word" not in sample or BOX_KEYS_2[0] not in sample:
        return None
    try:
        box = np.array([float(sample[key]) for key in BOX_KEYS_2])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"Expected one number for each of {', '.join(BOX_KEYS_2)} in sample "
            f"{sample.get('image_id')!r}, as it has a word ({error!r}); read the file with "
            "read_dl_dataset_ocr_recognition."
        ) from None
    if not (np.isfinite(box).all() and min(box[3:]) > 0 and max(box[3:]) < 2**20):
        raise DatasetError(
            f"Expected a finite box with an area in sample {sample.get('image_id')!r}, got "
            f"{box.tolist()}; drop the sample, as with drop_faulty."
        )
    return box


def read_sample_image(dataset: Mapping[str, Any], sample: Mapping[str, Any]) -> ImageArray:
    """The pixels of a sample, uint8 [h, w, 3] RGB: its image, or its box where it has one word.

    Raises:
        DatasetError: the name or the box cannot be used.
        ImageError: the file cannot be used.
    """
    box = word_box(sample)
    image = read_image(image_path(dataset, sample))
    return image if box is None else cut_box(image, box)


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of the image that `read_image` gives for a file."""
    try:
        size = _header_size(path.read_bytes())
    except Exception:  # the header is damaged in one of many ways: read_image names it
        size = None
    return size if size is not None else read_image(path).shape[:2]


def _header_size(data: bytes) -> tuple[int, int] | None:
    """The size as the header has it, turned as EXIF says; None where decoding must tell."""
    image = _identify(io.BytesIO(data))
    # TIFF files are turned, and frames of icons chosen, while they are decoded.
    if image is None or image.format not in ("PNG", "JPEG", "BMP", "PPM"):
        return None
    width, height = image.size
    if min(width, height) < 1 or math.prod(image.size) > 2**28:
        return None
    if image.format == "PNG" and not any(mark in data for mark in _PNG_EXIF_MARKS):
        return height, width
    return (width, height) if _orientation(image) in _TURNED else (height, width)
