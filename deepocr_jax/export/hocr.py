"""Pages as hOCR 1.2 (http://kba.github.io/hocr-spec/1.2/), an XHTML file of any number of pages."""

from collections.abc import Iterable, Iterator

import numpy as np

from deepocr_jax.export.pages import (
    ExportBlock,
    ExportLine,
    ExportPage,
    ExportWord,
    angle_deg,
    box_to_bounds,
    box_to_polygon,
    is_upright,
)
from deepocr_jax.export.xml import (
    DECLARATION,
    SOFTWARE,
    Element,
    add_element,
    element_to_text,
    number_to_text,
)

_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_poly ocrp_wconf"

_HEAD = f"""\
{DECLARATION}<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head>
<title>{SOFTWARE}</title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>
<meta name="ocr-system" content="{SOFTWARE}"/>
<meta name="ocr-capabilities" content="{_CAPABILITIES}"/>
</head>
<body>
"""


def write_hocr(pages: Iterable[ExportPage]) -> Iterator[str]:
    """The file, a page at a time.

    Boxes are whole pixels from the image's top left edge. What is turned has its `textangle` and,
    unless by right angles, its `poly`. `x_wconf` and `x_confs` are in percent.
    """
    yield _HEAD
    for index, page in enumerate(pages):
        yield element_to_text(_page(page, index))
    yield "</body>\n</html>\n"


def _page(page: ExportPage, index: int) -> Element:
    name = page.name.replace("\\", "/").replace('"', "'")
    title = f'image "{name}"; bbox 0 0 {page.width} {page.height}; ppageno {index}'
    division = Element("div", {"class": "ocr_page", "id": f"page_{index + 1}", "title": title})
    line_number = 0
    for number, block in enumerate(page.blocks, 1):
        _add_block(division, block, page, f"{index + 1}_{number}", line_number)
        line_number += len(block.lines)
    return division


def _add_block(
    parent: Element, block: ExportBlock, page: ExportPage, name: str, first: int
) -> None:
    title = _place(block.box, page)
    area = add_element(parent, "div", {"class": "ocr_carea", "id": f"block_{name}", "title": title})
    paragraph = add_element(area, "p", {"class": "ocr_par", "id": f"par_{name}", "title": title})
    page_number = name.partition("_")[0]
    for number, line in enumerate(block.lines, first + 1):
        _add_line(paragraph, line, page, f"{page_number}_{number}")


def _add_line(parent: Element, line: ExportLine, page: ExportPage, name: str) -> None:
    attributes = {"class": "ocr_line", "id": f"line_{name}", "title": _place(line.box, page)}
    element = add_element(parent, "span", attributes)
    for number, word in enumerate(line.words, 1):
        title = "; ".join([_place(word.box, page), *_confidences(word)])
        attributes = {"class": "ocrx_word", "id": f"word_{name}_{number}", "title": title}
        add_element(element, "span", attributes, word.text)


def _place(box: np.ndarray, page: ExportPage) -> str:
    bounds = " ".join(str(round(value)) for value in box_to_bounds(box, page).tolist())
    parts = [f"bbox {bounds}"]
    if angle_deg(box):
        parts.append(f"textangle {number_to_text(angle_deg(box))}")
    if not is_upright(box):
        corners = box_to_polygon(box, page).ravel().tolist()
        parts.append("poly " + " ".join(str(round(value)) for value in corners))
    return "; ".join(parts)


def _confidences(word: ExportWord) -> list[str]:
    if word.confidence is None:
        return []
    of_chars = " ".join(number_to_text(100 * char.confidences[0]) for char in word.chars)
    return [f"x_wconf {number_to_text(100 * word.confidence)}"] + (
        [f"x_confs {of_chars}"] if of_chars else []
    )
