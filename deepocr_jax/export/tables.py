"""Pages as a table with a row a word: tab-separated values."""

from collections.abc import Iterable, Iterator

from deepocr_jax.export.pages import BOX_KEYS, ExportPage, ExportWord, box_to_bounds

COLUMNS = (
    "page",
    "block",
    "line",
    "word",
    "left",
    "top",
    "width",
    "height",
    *BOX_KEYS,
    "confidence",
    "text",
)


def write_tsv(pages: Iterable[ExportPage]) -> Iterator[str]:
    """The header, then a row a word. All numbers count from 1; fields are never quoted."""
    yield "\t".join(COLUMNS) + "\n"
    for number, page in enumerate(pages, 1):
        yield "".join(_page_rows(page, number))


def _page_rows(page: ExportPage, number: int) -> Iterator[str]:
    line_number = 0
    for block_number, block in enumerate(page.blocks, 1):
        for line in block.lines:
            line_number += 1
            for word_number, word in enumerate(line.words, 1):
                place = (number, block_number, line_number, word_number)
                yield "\t".join([*map(str, place), *_fields(word, page)]) + "\n"


def _fields(word: ExportWord, page: ExportPage) -> list[str]:
    x0, y0, x1, y1 = box_to_bounds(word.box, page)
    row, col, phi, length1, length2 = word.box
    confidence = "" if word.confidence is None else f"{word.confidence:.6f}"
    bounds = [f"{value:.2f}" for value in (x0, y0, x1 - x0, y1 - y0)]
    box = [f"{row:.3f}", f"{col:.3f}", f"{phi:.6f}", f"{length1:.3f}", f"{length2:.3f}"]
    return [*bounds, *box, confidence, word.text]
