"""The pages of a file, whatever its format, as images that are read when their turn comes."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepocr_jax.image import DEFAULT_MAX_PIXELS, count_pages, read_image
from deepocr_jax.pdf_pages import DEFAULT_DPI, PdfPage, read_pdf

_PDF_SUFFIX, _PDF_START = ".pdf", b"%PDF-"


@dataclass(frozen=True)
class ImagePage:
    """A page of an image file of several pages, read where it is taken as an array.

    Attributes:
        path: The file, or its contents.
        index: Of the page in the file, from 0.
        max_pixels: Most pixels that the page may have.
    """

    path: str | bytes
    index: int
    max_pixels: int = DEFAULT_MAX_PIXELS

    @property
    def name(self) -> str:
        """The file and the number of the page from 1, such as "scan.tif#2"."""
        file = self.path if isinstance(self.path, str) else f"<{len(self.path)} bytes>"
        return f"{file}#{self.index + 1}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The page, uint8 [h, w, 3] RGB.

        Raises:
            ImageError: As of `read_image`.
        """
        pixels = read_image(self.path, self.max_pixels, self.index)
        return pixels if dtype is None else pixels.astype(dtype)


def read_pages(
    source: str | os.PathLike[str] | bytes,
    dpi: float = DEFAULT_DPI,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> list[ImagePage | PdfPage]:
    """The pages of a TIFF or PDF file, as images for `apply_deep_ocr` and `read_stream`.

    A page is read when its turn comes and not kept, so a file may have any number of pages. Any
    other image is one page.

    Args:
        source: Path of the file, or its contents.
        dpi: Pixels an inch at which pages of PDF files are drawn.
        max_pixels: Most pixels that a page may have.

    Raises:
        ImageReadError: The file is missing, or a PDF file that is damaged or needs a password.
        ParameterValueError: dpi is not positive.
        MissingPackageError: The package that draws PDF files is not installed.
    """
    path = source if isinstance(source, bytes) else os.fsdecode(source)
    if is_pdf(path):
        return list(read_pdf(path, dpi, max_pixels))
    return [ImagePage(path, index, max_pixels) for index in range(count_pages(path))]


def is_pdf(source: str | bytes) -> bool:
    """Whether a path, by its ending, or the contents of a file are those of a PDF file."""
    if isinstance(source, bytes):
        return source.startswith(_PDF_START)
    return source.lower().endswith(_PDF_SUFFIX)
