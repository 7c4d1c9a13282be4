"""The images that a call names: files, folders, globs, and the pages of PDF files."""

from __future__ import annotations

import glob
import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepocr_jax.cli.console import CommandError, say

if TYPE_CHECKING:
    from deepocr_jax.image_pages import ImagePage
    from deepocr_jax.pdf_pages import PdfPage

    Source = str | ImagePage | PdfPage

PDF_SUFFIX = ".pdf"
# Of other files nobody looks how many pages they have before it is their turn.
TIFF_SUFFIXES = (".tif", ".tiff")
NAMED = 5
"""So many of the files that are passed over are named."""


def find_images(patterns: Sequence[str], other_suffixes: tuple[str, ...] = ()) -> list[str]:
    """Files, folders and globs -> files in order, each once; says which ones it passes over.

    Args:
        patterns: A file is taken whatever its ending.
        other_suffixes: Endings of files in folders that are passed over without a word.

    Raises:
        CommandError: One of them matches nothing.
    """
    known = _suffixes()
    suffixes = tuple(x for x in known if x not in other_suffixes)
    found: dict[str, None] = {}
    others: dict[str, None] = {}
    for pattern in patterns:
        # A name that exists is meant as it is, even with brackets in it.
        matches = (
            [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        )
        if not matches:
            raise CommandError(f"no such file or folder: {pattern}")
        pairs = [_files(match, suffixes) for match in matches]
        files = [file for taken, _ in pairs for file in taken]
        if not files:
            raise CommandError(
                f"no images in {pattern}; expected files that end in {', '.join(suffixes)}"
            )
        found.update(dict.fromkeys(files))
        others.update(dict.fromkeys(file for _, left in pairs for file in left))
    _say_passed_over([file for file in others if not file.lower().endswith(other_suffixes)], known)
    return list(found)


def _say_passed_over(files: Sequence[str], known: Sequence[str]) -> None:
    if not files:
        return
    names = ", ".join(files[:NAMED]) + (", ..." if len(files) > NAMED else "")
    say(f"passed over what is no image in a folder, {len(files)} in all: {names}")
    if PDF_SUFFIX not in known and any(file.lower().endswith(PDF_SUFFIX) for file in files):
        from deepocr_jax.pdf_pages import INSTALL

        say(f"PDF files are read once pypdfium2 is there: {INSTALL}")


def _suffixes() -> tuple[str, ...]:
    """The endings of files that can be read here."""
    from deepocr_jax.image import image_suffixes

    reads_pdf = importlib.util.find_spec("pypdfium2") is not None
    return (*image_suffixes(), PDF_SUFFIX) if reads_pdf else image_suffixes()


def _files(path: str, suffixes: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """A file itself; of a folder the files in it and below with such endings, and the others.

    Hidden ones are neither.
    """
    if not os.path.isdir(path):
        return [path], []
    files: list[str] = []
    others: list[str] = []
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(n for n in names if not n.startswith(".")):
            kind = files if name.lower().endswith(suffixes) else others
            kind.append(os.path.join(folder, name))
    return files, others


def image_sources(paths: Sequence[str], dpi: float | None = None) -> list[Source]:
    """The paths of images, and the pages of TIFF and PDF files in place of files with several.

    A PDF file that cannot be read stands for one image, which cannot be read either.

    Raises:
        CommandError: The package that reads PDF files is missing, or dpi is not positive.
    """
    return [source for path in paths for source in _sources(path, dpi)]


def _sources(path: str, dpi: float | None) -> Sequence[Source]:
    from deepocr_jax.errors import ImageError
    from deepocr_jax.image_pages import is_pdf, read_pages

    if is_pdf(path):
        return _pdf_pages(path, dpi)
    if not path.lower().endswith(TIFF_SUFFIXES):
        return [path]
    try:
        pages = read_pages(path)
    except ImageError:
        return [path]
    return pages if len(pages) > 1 else [path]


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
    for path in _files(folder, (PDF_SUFFIX,))[0]:
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


def source_name(source: Source) -> str:
    """What the output calls an image."""
    return source if isinstance(source, str) else source.name
