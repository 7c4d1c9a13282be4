"""The images that a call names: files, folders, globs, and the pages of PDF files."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepocr_jax.cli.console import CommandError, say

if TYPE_CHECKING:
    from deepocr_jax.pdf_pages import PdfPage

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2")
"""Endings of the files that are taken from folders."""

PDF_SUFFIX = ".pdf"


def find_images(patterns: Sequence[str]) -> list[str]:
    """Files, folders and globs -> image files in order, each once.

    Raises:
        CommandError: One of them matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        # A name that exists is meant as it is, even with brackets in it.
        matches = (
            [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        )
        if not matches:
            raise CommandError(f"no such file or folder: {pattern}")
        files = [file for match in matches for file in _files(match)]
        if not files:
            raise CommandError(
                f"no images in {pattern}; expected files that end in {', '.join(SUFFIXES)}"
            )
        found.update(dict.fromkeys(files))
    return list(found)


def _files(path: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """A file itself; of a folder all images in it and below, but no hidden ones."""
    if not os.path.isdir(path):
        return [path]
    files = []
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        images = (n for n in names if n.lower().endswith(suffixes) and not n.startswith("."))
        files += [os.path.join(folder, name) for name in sorted(images)]
    return files


def image_sources(paths: Sequence[str], dpi: float | None = None) -> list[str | PdfPage]:
    """The paths of images, and the pages of PDF files in place of the files.

    A PDF file that cannot be read stands for one image, which cannot be read either.

    Raises:
        CommandError: The package that reads PDF files is missing, or dpi is not positive.
    """
    return [s for p in paths for s in (_pdf_pages(p, dpi) if _is_pdf(p) else [p])]


def _is_pdf(path: str) -> bool:
    return path.lower().endswith(PDF_SUFFIX)


def _pdf_pages(path: str, dpi: float | None) -> Sequence[PdfPage]:
    from deepocr_jax.errors import ImageError, MissingPackageError, ParameterValueError
    from deepocr_jax.pdf_pages import DEFAULT_DPI, PdfPage, read_pdf

    try:
        return read_pdf(path, DEFAULT_DPI if dpi is None else dpi)
    except ImageError:
        return [PdfPage(path, 0)]
    except (MissingPackageError, ParameterValueError) as error:
        raise CommandError(str(error)) from error


def draw_pdf_pages(folder: str, dpi: float | None = None) -> int:
    """Draws the pages of the PDF files in a folder and below as images beside them.

    Page 2 of scan.pdf becomes scan.pdf-2.png. What was drawn before stays; what cannot be drawn is
    said.

    Returns:
        How many files and pages could not be drawn.

    Raises:
        CommandError: The package that reads PDF files is missing, dpi is not positive, or an image
            cannot be written.
    """
    from deepocr_jax.errors import ImageError

    failed = 0
    for path in _files(folder, (PDF_SUFFIX,)):
        pages = _pdf_pages(path, dpi)
        digits = len(str(len(pages)))
        for number, page in enumerate(pages, start=1):
            image = f"{path}-{number:0{digits}}.png"
            try:
                if not os.path.exists(image):
                    _draw(page, image)
            except ImageError as error:
                say(error)
                failed += 1
            except OSError as error:
                raise CommandError(f"cannot write {image}: {error.strerror or error}") from error
    return failed


def _draw(page: PdfPage, path: str) -> None:
    """Writes a page as PNG file, whole or not at all."""
    import numpy as np
    from PIL import Image

    draft = f"{path}.draft"
    Image.fromarray(np.asarray(page)).save(draft, "PNG")
    os.replace(draft, path)


def source_name(source: str | PdfPage) -> str:
    """What the output calls an image."""
    return source if isinstance(source, str) else source.name
