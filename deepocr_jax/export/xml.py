"""XML files: elements with attributes in their order, and numbers as the formats have them."""

from collections.abc import Mapping
from typing import TypeAlias
from xml.etree import ElementTree

import numpy as np

Element: TypeAlias = ElementTree.Element

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

SOFTWARE = "deepocr_jax"


def add_element(
    parent: Element, tag: str, attributes: Mapping[str, str] | None = None, text: str | None = None
) -> Element:
    """Adds an element at the end of another one."""
    element = ElementTree.SubElement(parent, tag, dict(attributes or {}))
    element.text = text
    return element


def element_to_text(element: Element) -> str:
    """The element with each child in a row of its own."""
    ElementTree.indent(element, " ")
    return ElementTree.tostring(element, encoding="unicode") + "\n"


def number_to_text(value: float, digits: int = 2) -> str:
    """A number without needless zeros."""
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def polygon_to_text(polygon: np.ndarray, digits: int = 0) -> str:
    """Corners [n, 2] as "x,y x,y ..."."""
    return " ".join(
        f"{number_to_text(x, digits)},{number_to_text(y, digits)}" for x, y in polygon.tolist()
    )
