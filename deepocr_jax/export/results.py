"""Results into files for other programs: the operator, and how its files are called."""

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.export.formats import export_format, format_of_file, write_pages
from deepocr_jax.export.pages import ExportPage, result_to_page
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.types import DeepOCRResult

# Where one of several sequences has ended.
_NONE: Any = object()

_PAGE = re.compile(r"(.+)\.(?:pdf#page=|tiff?#)(\d+)", re.IGNORECASE)


def export_deep_ocr_results(
    results: DeepOCRResult | Iterable[DeepOCRResult],
    images: Any,
    path: str | os.PathLike[str],
    format: str | None = None,
    image_names: str | Iterable[str] | None = None,
    dpi: float | None = None,
) -> list[str]:
    """Writes results into files for other programs.

    Args:
        results: One result of `apply_deep_ocr`, or any number of them.
        images: The images that were read, one a result, as they were given to `apply_deep_ocr`:
            for their sizes, and for the pictures in a PDF file. Where none of these is needed, a
            pair (height, width) does.
        path: The file, or a folder that exists or whose name ends with a separator: then each
            result gets a file of its own there, called after its image. Files are replaced.
        format: "txt" (reading order), "layout" (text as on the page), "json", "tsv", "hocr",
            "alto", "page" (PAGE XML) or "pdf". Unless given, the end of the file's name tells it.
        image_names: What the files call the images; by default their paths, or "image_1" and so on.
        dpi: Pixels an inch of the images, for the size of PDF pages; by default what the images
            state, else 300.

    Returns:
        The paths of the files written. They are written whole or not at all.

    Raises:
        ParameterValueError: Unknown format, not one image a result, several results for one file
            of "alto" or "page", or two of one name for a folder.
        ImageError: An image cannot be used.
        MissingPackageError: The packages for PDF files are not installed.
    """
    single = isinstance(results, dict)
    given: Any = [results] if single else results
    sources = [images] if single else images
    names = [image_names] if isinstance(image_names, str) else image_names
    pages = _pages(given, sources, names)
    target = os.fsdecode(path)
    if not is_folder(target):
        chosen = format or format_of_file(target)
        write_file(target, pages, chosen, dpi)
        return [target]
    if format is None:
        raise ParameterValueError(f"format: expected one, as {target!r} is a folder, got none")
    export_format(format)
    os.makedirs(target, exist_ok=True)
    return list(_write_each(target, pages, format, dpi))


def _write_each(
    folder: str, pages: Iterable[ExportPage], format: str, dpi: float | None
) -> Iterator[str]:
    written: dict[str, str] = {}
    for page in pages:
        file = file_in_folder(folder, page.name, format)
        if file in written:
            raise ParameterValueError(
                f"expected images of different names, got {written[file]!r} and {page.name!r}, "
                f"both for {file!r}; pass image_names"
            )
        written[file] = page.name
        write_file(file, [page], format, dpi)
        yield file


def _pages(
    results: Iterable[DeepOCRResult], images: Iterable[Any], names: Iterable[str] | None
) -> Iterator[ExportPage]:
    columns = [results, images] if names is None else [results, images, names]
    for index, row in enumerate(itertools.zip_longest(*columns, fillvalue=_NONE)):
        if any(value is _NONE for value in row):
            given = ("result", "image", "name")
            missing = [what for what, value in zip(given, row, strict=False) if value is _NONE]
            raise ParameterValueError(
                f"expected one image, and one name if any, for each result; the {index + 1}th has "
                f"no {' and no '.join(missing)}"
            )
        result, image = row[:2]
        name = _image_name(image, index) if names is None else row[2]
        if isinstance(image, tuple):
            yield result_to_page(result, image, name)
        else:
            yield result_to_page(result, _image_size(image), name, image)


def _image_name(image: Any, index: int) -> str:
    if isinstance(image, (str, os.PathLike)):
        return os.fsdecode(image)
    return getattr(image, "name", f"image_{index + 1}")


def _image_size(image: Any) -> tuple[int, int]:
    is_file = isinstance(image, (str, bytes, os.PathLike))
    pixels: np.ndarray = read_image(image) if is_file else as_rgb(image)
    return pixels.shape[0], pixels.shape[1]


# --- files --------------------------------------------------------------------------------------


def is_folder(path: str) -> bool:
    """Whether a path means a folder: it is one, or ends with a separator."""
    return os.path.isdir(path) or path.endswith(tuple(s for s in (os.sep, os.altsep) if s))


def file_in_folder(folder: str, image_name: str, format: str) -> str:
    """The file of one image in a folder: "a/b.png" -> "b.hocr", page 2 of "c.pdf": "c-2.hocr"."""
    base = os.path.basename(image_name)
    page = _PAGE.fullmatch(base)
    stem = f"{page[1]}-{page[2]}" if page else os.path.splitext(base)[0]
    return os.path.join(folder, stem + export_format(format).suffix)


def write_file(path: str, pages: Iterable[ExportPage], format: str, dpi: float | None) -> None:
    """Writes pages into one file, which appears, or replaces another, only when it is whole."""
    with _whole_file(path) as file:
        write_pages(pages, file, format, dpi)


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[BinaryIO]:
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(part)
        raise
