"""The pages of PDF files as images, each drawn when it is read."""

import os
import threading
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepocr_jax.errors import (
    ImageReadError,
    ImageSizeError,
    MissingPackageError,
    ParameterValueError,
)
from deepocr_jax.image import DEFAULT_MAX_PIXELS

DEFAULT_DPI = 300.0
INSTALL = 'pip install "deepocr_jax[pdf]"'
_POINTS_PER_INCH = 72.0
# PDFium's binding rounds sizes up, and 60.0000001 pixels are 60.
_SLACK = 1 - 1e-5

# PDFium must not be entered by two threads at once.
_PDFIUM = threading.Lock()


@dataclass(frozen=True)
class PdfPage:
    """A page that is drawn where it is taken as an array, as every reader of images does.

    Attributes:
        path: The file, or its contents.
        index: Of the page in the file, from 0.
        dpi: Pixels an inch.
        max_pixels: Most pixels that the page may have.
    """

    path: str | bytes
    index: int
    dpi: float = DEFAULT_DPI
    max_pixels: int = DEFAULT_MAX_PIXELS

    @property
    def name(self) -> str:
        """The file and the number of the page from 1, such as "scan.pdf#page=2"."""
        return f"{_file_name(self.path)}#page={self.index + 1}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The page over white, uint8 [h, w, 3] RGB.

        Raises:
            ImageReadError: The file is no PDF file, damaged or locked, or has no such page.
            ImageSizeError: The page has more pixels than `max_pixels`.
        """
        pixels = _draw(self)
        return pixels if dtype is None else pixels.astype(dtype)


def read_pdf(
    source: str | os.PathLike[str] | bytes,
    dpi: float = DEFAULT_DPI,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> list[PdfPage]:
    """The pages of a PDF file, as images for `apply_deep_ocr` and `read_stream`.

    A page is drawn when its turn comes and not kept, so a file may have any number of pages.

    Args:
        source: Path of the file, or its contents.
        dpi: Pixels an inch.
        max_pixels: Most pixels that a page may have.

    Raises:
        ImageReadError: The file is missing, no PDF file, damaged, or needs a password.
        ParameterValueError: dpi is not positive.
        MissingPackageError: The package that draws PDF files is not installed.
    """
    if not dpi > 0:
        raise ParameterValueError(f"dpi: expected a positive number, got {dpi!r}")
    path = source if isinstance(source, bytes) else os.fsdecode(source)
    with _PDFIUM, _open(path) as document:
        count = len(document)
    return [PdfPage(path, index, float(dpi), max_pixels) for index in range(count)]


def _open(path: str | bytes) -> Any:
    try:
        import pypdfium2
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"reading PDF files needs the package pypdfium2; run: {INSTALL}"
        ) from error
    try:
        return pypdfium2.PdfDocument(path)
    except FileNotFoundError as error:
        raise ImageReadError(f"There is no file {_file_name(path)!r}; check the path.") from error
    except (pypdfium2.PdfiumError, OSError) as error:
        raise ImageReadError(
            f"Cannot open the PDF file {_file_name(path)!r}: {error}; expected a PDF file that is "
            "whole and has no password. Open it in a PDF viewer, or save it without the password."
        ) from error


def _draw(page: PdfPage) -> np.ndarray:
    with _PDFIUM, _open(page.path) as document:
        if page.index >= len(document):
            raise ImageReadError(
                f"Expected a page of {_file_name(page.path)!r}, which has {len(document)}, got "
                f"{page.name!r}; read the file again."
            )
        scale = page.dpi / _POINTS_PER_INCH
        with closing(document[page.index]) as drawn:
            width, height = drawn.get_size()
            if width * height * scale**2 > page.max_pixels:
                raise ImageSizeError(
                    f"The page {page.name!r} has {width * scale:.0f} x {height * scale:.0f} "
                    f"pixels at {page.dpi:g} dpi, more than the limit of {page.max_pixels}; "
                    "choose fewer dpi, or pass a larger max_pixels."
                )
            bitmap = drawn.render(scale=scale * _SLACK, rev_byteorder=True)
            return np.array(bitmap.to_numpy()[:, :, :3])


def _file_name(path: str | bytes) -> str:
    return path if isinstance(path, str) else f"<{len(path)} bytes>"
