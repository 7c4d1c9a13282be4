"""Pages as JSON; `page_schema.json` beside this file is the schema of what is written."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from deepocr_jax.export.pages import BOX_KEYS, ExportPage, ExportWord

VERSION = 1
"""Of the schema; raised where a reader of the last one could go wrong."""

_DIGITS = {"row": 3, "col": 3, "phi": 6, "length1": 3, "length2": 3}


def write_json(pages: Iterable[ExportPage]) -> Iterator[str]:
    """One object with the version and all pages, a page a row."""
    yield f'{{"version": {VERSION}, "pages": ['
    for index, page in enumerate(pages):
        yield (",\n" if index else "\n") + json.dumps(page_to_json(page), ensure_ascii=False)
    yield "\n]}\n"


def page_to_json(page: ExportPage) -> dict[str, Any]:
    """A page as JSON values; coordinates are those of results, in pixels and radians."""
    words: list[dict[str, Any]] = []
    line_index = 0
    for block_index, block in enumerate(page.blocks):
        for line in block.lines:
            place = {"block_index": block_index, "line_index": line_index}
            words += [{**_word(word), **place} for word in line.words]
            line_index += 1
    return {"image": page.name, "width": page.width, "height": page.height, "words": words}


def _word(word: ExportWord) -> dict[str, Any]:
    entry: dict[str, Any] = {
        key: round(float(value), _DIGITS[key])
        for key, value in zip(BOX_KEYS, word.box, strict=True)
    }
    if word.confidence is None:
        return entry
    chars = [
        {"candidate": list(c.candidates), "confidence": [round(v, 6) for v in c.confidences]}
        for c in word.chars
    ]
    confidence = round(word.confidence, 6)
    return {"word": word.text, "confidence": confidence, **entry, "char_candidates": chars}
