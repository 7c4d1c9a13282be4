"""The image of a page inside a PDF file: the bytes of a JPEG file as they are, else a new JPEG."""

import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from deepocr_jax.image import as_rgb, read_image

DEFAULT_DPI = 300.0
JPEG_QUALITY = 90
# What files state outside of these, in pixels an inch, is no resolution of a scan or screen.
_LEAST_DPI, _MOST_DPI = 50.0, 2400.0
_EXIF_ORIENTATION = 0x0112

_COLOR_SPACES = {"L": "DeviceGray", "RGB": "DeviceRGB"}

# For each EXIF orientation where the corners of the stored image come to lie on the page, in
# fractions of its size from its bottom left: bottom left, bottom right, top left.
_CORNERS = {
    1: ((0, 0), (1, 0), (0, 1)),
    2: ((1, 0), (0, 0), (1, 1)),
    3: ((1, 1), (0, 1), (1, 0)),
    4: ((0, 1), (1, 1), (0, 0)),
    5: ((1, 1), (1, 0), (0, 1)),
    6: ((0, 1), (0, 0), (1, 1)),
    7: ((0, 0), (0, 1), (1, 0)),
    8: ((1, 0), (1, 1), (0, 0)),
}


@dataclass(frozen=True)
class PdfImage:
    """A JPEG for a page.

    Attributes:
        data: The JPEG file.
        width, height: As stored, in pixels.
        color_space: Of PDF.
        orientation: 1 to 8, as of EXIF: how the stored image is turned on the page.
        dpi: What the source states; None where it states nothing.
    """

    data: bytes
    width: int
    height: int
    color_space: str
    orientation: int = 1
    dpi: float | None = None

    def matrix(self, width: float, height: float) -> tuple[float, ...]:
        """The six numbers of `cm` that bring the image onto a page of width x height."""
        (x, y), (right_x, right_y), (top_x, top_y) = _CORNERS[self.orientation]
        return (
            (right_x - x) * width,
            (right_y - y) * height,
            (top_x - x) * width,
            (top_y - y) * height,
            x * width,
            y * height,
        )


def make_pdf_image(source: Any, max_pixels: int) -> PdfImage:
    """The image of a page.

    Args:
        source: As `apply_deep_ocr` takes it: a path, the bytes of an image file, or an array. An
            attribute `dpi` of an array states its resolution.
        max_pixels: Most pixels that it may have.

    Raises:
        ImageError: The image cannot be used.
    """
    if not isinstance(source, (str, bytes, os.PathLike)):
        return _encode(as_rgb(source, max_pixels), getattr(source, "dpi", None))
    # Decoding tells first what is wrong with the file.
    pixels = read_image(source, max_pixels)
    data = source if isinstance(source, bytes) else _file_bytes(source)
    with Image.open(io.BytesIO(data)) as image:
        dpi = _stated_dpi(image)
        if image.format == "JPEG" and image.mode in _COLOR_SPACES:
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            orientation = orientation if orientation in _CORNERS else 1
            color_space = _COLOR_SPACES[image.mode]
            return PdfImage(data, image.width, image.height, color_space, orientation, dpi)
    return _encode(pixels, dpi)


def _file_bytes(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _encode(pixels: np.ndarray, dpi: float | None) -> PdfImage:
    """RGB uint8 [h, w, 3] as JPEG, gray where it has no colour."""
    gray = bool((pixels == pixels[:, :, :1]).all())
    image = Image.fromarray(pixels[:, :, 0] if gray else pixels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    color_space = _COLOR_SPACES[image.mode]
    return PdfImage(file.getvalue(), image.width, image.height, color_space, dpi=dpi)


def _stated_dpi(image: Image.Image) -> float | None:
    """The resolution that a file states, if it is plausible and the same both ways."""
    stated = image.info.get("dpi")
    try:
        across, down = (float(value) for value in stated or ())
    except (TypeError, ValueError):
        return None
    return across if _LEAST_DPI <= across <= _MOST_DPI and abs(across - down) < 1 else None
