"""A page as PAGE XML (https://github.com/PRImA-Research-Lab/PAGE-XML), version 2019-07-15."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import numpy as np

from deepocr_jax.export.pages import (
    ExportBlock,
    ExportChar,
    ExportLine,
    ExportPage,
    ExportWord,
    angle_deg,
    box_to_polygon,
    boxes_to_polygons,
)
from deepocr_jax.export.xml import (
    DECLARATION,
    SOFTWARE,
    Element,
    add_element,
    element_to_text,
    number_to_text,
    polygon_to_text,
)
from deepocr_jax.geometry.boxes import sub_boxes

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def write_page_xml(pages: Iterable[ExportPage]) -> Iterator[str]:
    """The file of the one page.

    Polygons are in whole pixels from the image's top left edge. A region's `orientation` is that
    of its text, in degrees. The results hold no places of characters, but a `Glyph` must have one:
    it gets an equal share of its word. The other readings of a character follow the first one.
    """
    (page,) = pages
    root = Element(
        "PcGts",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{NAMESPACE} {NAMESPACE}/pagecontent.xsd",
        },
    )
    metadata = add_element(root, "Metadata")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for tag, text in (("Creator", SOFTWARE), ("Created", now), ("LastChange", now)):
        add_element(metadata, tag, text=text)
    size = {"imageWidth": str(page.width), "imageHeight": str(page.height)}
    element = add_element(root, "Page", {"imageFilename": page.name, **size})
    if page.blocks:
        _add_order(element, len(page.blocks))
    for number, block in enumerate(page.blocks, 1):
        _add_block(element, block, page, number)
    yield DECLARATION + element_to_text(root)


def _add_order(parent: Element, count: int) -> None:
    group = add_element(add_element(parent, "ReadingOrder"), "OrderedGroup", {"id": "order"})
    for index in range(count):
        reference = {"index": str(index), "regionRef": f"region_{index + 1}"}
        add_element(group, "RegionRefIndexed", reference)


def _add_block(parent: Element, block: ExportBlock, page: ExportPage, number: int) -> None:
    attributes = {"id": f"region_{number}"}
    if angle_deg(block.box):
        attributes["orientation"] = number_to_text(angle_deg(block.box))
    element = add_element(parent, "TextRegion", attributes)
    _add_coords(element, block.box, page)
    for line_number, line in enumerate(block.lines, 1):
        _add_line(element, line, page, f"{number}_{line_number}")
    _add_text(element, "\n".join(line.text for line in block.lines))


def _add_line(parent: Element, line: ExportLine, page: ExportPage, name: str) -> None:
    element = add_element(parent, "TextLine", {"id": f"line_{name}"})
    _add_coords(element, line.box, page)
    for number, word in enumerate(line.words, 1):
        _add_word(element, word, page, f"{name}_{number}")
    _add_text(element, line.text)


def _add_word(parent: Element, word: ExportWord, page: ExportPage, name: str) -> None:
    element = add_element(parent, "Word", {"id": f"word_{name}"})
    _add_coords(element, word.box, page)
    shares = boxes_to_polygons(_shares(word), page)
    for number, (char, polygon) in enumerate(zip(word.chars, shares, strict=True), 1):
        _add_glyph(element, char, polygon, f"{name}_{number}")
    if word.confidence is not None:
        _add_text(element, word.text, word.confidence)


def _add_glyph(parent: Element, char: ExportChar, polygon: np.ndarray, name: str) -> None:
    element = add_element(parent, "Glyph", {"id": f"glyph_{name}"})
    add_element(element, "Coords", {"points": polygon_to_text(polygon)})
    readings = zip(char.candidates, char.confidences, strict=True)
    for index, (text, confidence) in enumerate(readings):
        _add_text(element, text, confidence, index)


def _shares(word: ExportWord) -> np.ndarray:
    """[n, 5], the word's box cut into equal parts, one a character."""
    length, height = 2 * word.box[3:]
    edges = np.linspace(0, length, len(word.chars) + 1)
    spans = [(start, end, 0, height) for start, end in zip(edges[:-1], edges[1:], strict=True)]
    return sub_boxes(word.box, np.array(spans))


def _add_coords(parent: Element, box: np.ndarray, page: ExportPage) -> None:
    add_element(parent, "Coords", {"points": polygon_to_text(box_to_polygon(box, page))})


def _add_text(
    parent: Element, text: str, confidence: float | None = None, index: int | None = None
) -> None:
    attributes = {} if index is None else {"index": str(index)}
    if confidence is not None:
        attributes["conf"] = number_to_text(confidence, 4)
    add_element(add_element(parent, "TextEquiv", attributes), "Unicode", text=text)
