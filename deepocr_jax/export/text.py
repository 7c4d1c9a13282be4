"""Pages as plain text: in reading order, or with the layout of the page."""

import math
import unicodedata
from collections.abc import Iterable, Iterator

import numpy as np

from deepocr_jax.export.pages import ExportLine, ExportPage, ExportWord
from deepocr_jax.geometry.boxes import directions

FORM_FEED = "\f"

# Of two lines, in half heights of the higher one: centres nearer than this stand in one row.
SAME_ROW = 0.8
MAX_EMPTY_ROWS = 2
# Words nearer than this to each other, in heights, have one space between them.
WORD_GAP = 1.0
# Lines whose direction differs more from that of the page have no place in its grid, in degrees.
MAX_TURN = 20.0


def write_text(pages: Iterable[ExportPage]) -> Iterator[str]:
    """Pages in reading order: a row a line, an empty row between blocks, a form feed in between."""
    for index, page in enumerate(pages):
        yield FORM_FEED * (index > 0) + page_to_text(page)


def write_layout(pages: Iterable[ExportPage]) -> Iterator[str]:
    """Pages with their layout, and a form feed in between."""
    for index, page in enumerate(pages):
        yield FORM_FEED * (index > 0) + page_to_layout(page)


def page_to_text(page: ExportPage) -> str:
    """The text in reading order."""
    blocks = ("".join(f"{line.text}\n" for line in block.lines) for block in page.blocks)
    return "\n".join(blocks)


def page_to_layout(page: ExportPage) -> str:
    """The text with each word about where it stands on the page, in letters of equal width.

    The page is turned so that most of its text is upright. Lines of other directions come after
    the rest.
    """
    upright, others = _by_direction(page)
    rows = _rows(upright) if upright else []
    return "".join(f"{row}\n" for row in rows + [line.text for line in others])


def _by_direction(page: ExportPage) -> tuple[list[ExportLine], list[ExportLine]]:
    """The lines along the direction in which most text runs, and the others."""
    lines = [line for line in page.lines if line.text.strip()]
    if not lines:
        return [], []
    phi = np.array([line.box[2] for line in lines])
    length = np.array([line.box[3] for line in lines])
    near = np.cos(phi[:, None] - phi) > np.cos(np.radians(MAX_TURN))
    main = near[np.argmax(near @ length)]
    return (
        [line for line, same in zip(lines, main, strict=True) if same],
        [line for line, same in zip(lines, main, strict=True) if not same],
    )


def _rows(lines: list[ExportLine]) -> list[str]:
    phi = lines[int(np.argmax([line.box[3] for line in lines]))].box[2]
    along, across = directions(phi)
    words = [word for line in lines for word in line.words if word.text]
    unit = max(float(np.median([2 * w.box[3] / text_columns(w.text) for w in words])), 1e-3)
    left = min(float(w.box[:2] @ along) - w.box[3] for w in words)
    height = 2 * float(np.median([line.box[4] for line in lines]))

    rows, last = [], None
    ranked = sorted(lines, key=lambda line: float(line.box[:2] @ across))
    for row in _same_rows(ranked, across):
        centre = float(np.mean([line.box[:2] @ across for line in row]))
        if last is not None:
            empty = round((centre - last) / max(2 * height, 1e-3)) - 1
            rows += [""] * min(max(empty, 0), MAX_EMPTY_ROWS)
        rows.append(_row(row, along, left, unit))
        last = centre
    return rows


def _same_rows(ranked: list[ExportLine], across: np.ndarray) -> list[list[ExportLine]]:
    """Lines, top to bottom, in rows of those that stand side by side."""
    rows: list[list[ExportLine]] = []
    for line in ranked:
        first = rows[-1][0] if rows else None
        if first is not None:
            offset = float((line.box[:2] - first.box[:2]) @ across)
            if offset < SAME_ROW * max(line.box[4], first.box[4]):
                rows[-1].append(line)
                continue
        rows.append([line])
    return rows


def _row(lines: list[ExportLine], along: np.ndarray, left: float, unit: float) -> str:
    """A row: each word from the column where it starts, but next to a word right before it."""

    def start(word: ExportWord) -> float:
        return float(word.box[:2] @ along) - word.box[3]

    words = sorted((w for line in lines for w in line.words if w.text), key=start)
    row, columns, end = "", 0, -math.inf
    for word in words:
        gap = max(round((start(word) - left) / unit) - columns, 1 if row else 0)
        if start(word) - end < WORD_GAP * 2 * word.box[4]:
            gap = 1
        row += " " * gap + word.text
        columns += gap + text_columns(word.text)
        end = start(word) + 2 * word.box[3]
    return row


def text_columns(text: str) -> int:
    """The columns that a text takes where wide characters take two and marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    ) or len(text)
