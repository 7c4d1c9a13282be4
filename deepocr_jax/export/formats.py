"""All formats of exports by their names."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.export.alto import write_alto
from deepocr_jax.export.hocr import write_hocr
from deepocr_jax.export.json_pages import write_json
from deepocr_jax.export.page_xml import write_page_xml
from deepocr_jax.export.pages import ExportPage
from deepocr_jax.export.pdf import write_pdf
from deepocr_jax.export.tables import write_tsv
from deepocr_jax.export.text import write_layout, write_text

TextWriter = Callable[[Iterable[ExportPage]], Iterator[str]]


@dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        suffix: With which its files end.
        write: Pages -> the pieces of the file; None for PDF, which is no text.
        many_pages: Whether one file holds any number of pages, and not exactly one.
    """

    suffix: str
    write: TextWriter | None
    many_pages: bool = True


FORMATS = {
    "txt": ExportFormat(".txt", write_text),
    "layout": ExportFormat(".layout.txt", write_layout),
    "json": ExportFormat(".json", write_json),
    "tsv": ExportFormat(".tsv", write_tsv),
    "hocr": ExportFormat(".hocr", write_hocr),
    "alto": ExportFormat(".alto.xml", write_alto, many_pages=False),
    "page": ExportFormat(".page.xml", write_page_xml, many_pages=False),
    "pdf": ExportFormat(".pdf", None),
}


def write_pages(
    pages: Iterable[ExportPage], file: BinaryIO, format: str, dpi: float | None = None
) -> None:
    """Writes pages as they come into one file, in UTF-8 where it is text.

    Args:
        pages: Exactly one for the formats "alto" and "page".
        file: Open for writing bytes.
        format: One of `FORMATS`.
        dpi: For PDF, see `write_pdf`.

    Raises:
        ParameterValueError: Unknown format, or pages that it cannot hold.
        ImageError, MissingPackageError: See `write_pdf`.
    """
    writer = export_format(format)
    if writer.write is None:
        write_pdf(pages, file, dpi)
        return
    if not writer.many_pages:
        pages = list(pages)
        if len(pages) != 1:
            raise ParameterValueError(
                f"a file of the format {format!r} holds exactly one page, got {len(pages)}; "
                "write each into a file of its own"
            )
    for piece in writer.write(pages):
        file.write(piece.encode("utf-8"))


def export_format(name: str) -> ExportFormat:
    """The format of a name.

    Raises:
        ParameterValueError: There is none.
    """
    if name not in FORMATS:
        raise ParameterValueError(f"format: expected one of {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name]


def format_of_file(name: str) -> str:
    """The format that the end of a file's name tells.

    Raises:
        ParameterValueError: It tells none.
    """
    ending = sorted(FORMATS, key=lambda key: -len(FORMATS[key].suffix))
    for key in ending:
        if name.lower().endswith(FORMATS[key].suffix):
            return key
    endings = ", ".join(x.suffix for x in FORMATS.values())
    raise ParameterValueError(
        f"expected the name of a file that ends in one of {endings}, got {name!r}; rename it or "
        "give the format"
    )
