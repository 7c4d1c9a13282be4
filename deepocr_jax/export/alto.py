"""A page as ALTO 4.4 (https://www.loc.gov/standards/alto/), an XML file of one page."""

from collections.abc import Iterable, Iterator

import numpy as np

from deepocr_jax.export.pages import (
    ExportBlock,
    ExportChar,
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
    polygon_to_text,
)

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_LOCATION = f"{NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"


def write_alto(pages: Iterable[ExportPage]) -> Iterator[str]:
    """The file of the one page.

    Places are in pixels from the image's top left edge. What is turned has a `Shape`, and its
    block a `ROTATION` in degrees. The characters are `Glyph`s without a place of their own, with
    the confidence `GC`, and the other readings are their `Variant`s with `VC`.
    """
    (page,) = pages
    root = Element(
        "alto",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": _LOCATION,
            "SCHEMAVERSION": "4.4",
        },
    )
    description = add_element(root, "Description")
    add_element(description, "MeasurementUnit", text="pixel")
    add_element(add_element(description, "sourceImageInformation"), "fileName", text=page.name)
    processing = add_element(description, "Processing", {"ID": "processing_1"})
    add_element(processing, "processingCategory", text="contentGeneration")
    add_element(add_element(processing, "processingSoftware"), "softwareName", text=SOFTWARE)
    size = {"WIDTH": str(page.width), "HEIGHT": str(page.height)}
    layout = add_element(
        add_element(root, "Layout"), "Page", {"ID": "page_1", "PHYSICAL_IMG_NR": "1", **size}
    )
    space = add_element(layout, "PrintSpace", {"HPOS": "0", "VPOS": "0", **size})
    for number, block in enumerate(page.blocks, 1):
        _add_block(space, block, page, number)
    yield DECLARATION + element_to_text(root)


def _add_block(parent: Element, block: ExportBlock, page: ExportPage, number: int) -> None:
    attributes = {"ID": f"block_{number}", **_place(block.box, page)}
    if angle_deg(block.box):
        attributes["ROTATION"] = number_to_text(angle_deg(block.box))
    element = add_element(parent, "TextBlock", attributes)
    _add_shape(element, block.box, page)
    for line_number, line in enumerate(block.lines, 1):
        _add_line(element, line, page, f"{number}_{line_number}")


def _add_line(parent: Element, line: ExportLine, page: ExportPage, name: str) -> None:
    attributes = {"ID": f"line_{name}", **_place(line.box, page)}
    element = add_element(parent, "TextLine", attributes)
    _add_shape(element, line.box, page)
    for number, word in enumerate(line.words, 1):
        if number > 1:
            add_element(element, "SP")
        _add_word(element, word, page, f"{name}_{number}")


def _add_word(parent: Element, word: ExportWord, page: ExportPage, name: str) -> None:
    attributes = {"ID": f"string_{name}", "CONTENT": word.text, **_place(word.box, page)}
    if word.confidence is not None:
        attributes["WC"] = number_to_text(word.confidence, 4)
    element = add_element(parent, "String", attributes)
    _add_shape(element, word.box, page)
    # The schema has one character in each glyph.
    if all(len(char.candidates[0]) == 1 for char in word.chars):
        for char in word.chars:
            _add_glyph(element, char)


def _add_glyph(parent: Element, char: ExportChar) -> None:
    readings = [
        (text, number_to_text(value, 4))
        for text, value in zip(char.candidates, char.confidences, strict=True)
    ]
    text, confidence = readings[0]
    glyph = add_element(parent, "Glyph", {"CONTENT": text, "GC": confidence})
    for text, confidence in readings[1:]:
        add_element(glyph, "Variant", {"CONTENT": text, "VC": confidence})


def _place(box: np.ndarray, page: ExportPage) -> dict[str, str]:
    x0, y0, x1, y1 = box_to_bounds(box, page).tolist()
    place = {"HPOS": x0, "VPOS": y0, "WIDTH": x1 - x0, "HEIGHT": y1 - y0}
    return {key: number_to_text(value) for key, value in place.items()}


def _add_shape(parent: Element, box: np.ndarray, page: ExportPage) -> None:
    if not is_upright(box):
        points = polygon_to_text(box_to_polygon(box, page), digits=2)
        add_element(add_element(parent, "Shape"), "Polygon", {"POINTS": points})
