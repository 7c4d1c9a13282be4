"""Texts in figures: whatever a word holds, it can be drawn, and no warning is given."""

from collections.abc import Sequence
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

# The first is inside matplotlib, the others are tried where they are installed.
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
)
MISSING = "\N{WHITE SQUARE}"


@cache
def installed_families() -> tuple[str, ...]:
    """The families that are there, matplotlib's own first."""
    names = {entry.name for entry in font_manager.fontManager.ttflist}
    return (FAMILIES[0], *(family for family in FAMILIES[1:] if family in names))


@cache
def _fonts() -> Sequence[FT2Font]:
    found = [font_manager.findfont(family) for family in installed_families()]
    return [font_manager.get_font(path) for path in found]


@cache
def _drawable(character: str) -> str:
    if not character.isprintable():
        return f"U+{ord(character):04X}"
    return character if any(f.get_char_index(ord(character)) for f in _fonts()) else MISSING


def drawable(text: str) -> str:
    """The text in one line, without what no font here can draw.

    A character that no font has becomes a square, one that cannot be printed its number.
    """
    return "".join(map(_drawable, text))


def text_style(font_size: float, color: str = "black") -> dict:
    """Keyword arguments of a text that is to be taken as it stands: "$" begins no formula."""
    return {
        "fontsize": font_size,
        "color": color,
        "family": list(installed_families()),
        "parse_math": False,
    }
