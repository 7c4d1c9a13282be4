"""The invisible text of a page, each word over its box, as PDF operators."""

import itertools
import math
import unicodedata

from deepocr_jax.export.pages import ExportPage
from deepocr_jax.export.pdf_font import GLYPH_WIDTH, InvisibleFonts
from deepocr_jax.export.pdf_layout import SetWord, on_middle_line, set_words

# ISO 32000-1, table 106.
_INVISIBLE = 3

# Bidirectional classes (UAX 9).
_LEFTWARDS, _RIGHTWARDS = ("R", "AL"), ("L", "EN", "AN")

MAX_CLIMB_PT = 0.4
"""Readers take a word apart whose letters climb more than this along it (poppler 0.5)."""


MAX_HEIGHT = 2.5
"""Readers do not believe in fonts much higher than this, in font sizes (poppler 3)."""


def page_text(page: ExportPage, fonts: InvisibleFonts, scale: float) -> bytes:
    """The operators that set a page's words in reading order.

    The letters of a word share its box evenly. Its space is in the same string, so that what is
    copied has one space between words.

    Args:
        page: The page.
        fonts: Takes what the text needs.
        scale: Points a pixel.
    """
    operators: list[str] = []
    for line in page.lines:
        words = set_words(line.words, scale)
        for index, word in enumerate(words):
            space = " " if index + 1 < len(words) else ""
            operators += _word(word, space, page.height, fonts, scale)
    if not operators:
        return b""
    return "\n".join(["q", f"{_INVISIBLE} Tr", *operators, "Q\n"]).encode("ascii")


def _word(
    word: SetWord, space: str, page_height: int, fonts: InvisibleFonts, scale: float
) -> list[str]:
    quarters = round(word.phi / (math.pi / 2))
    slope = word.phi - quarters * (math.pi / 2)
    climb_px = max(word.length, word.above + word.below) * abs(math.sin(slope))
    oblique = climb_px * scale > MAX_CLIMB_PT
    word = on_middle_line(word) if oblique else word
    size, length = word.size * scale, word.length * scale
    stretch = 100 * length / (GLYPH_WIDTH * size * len(word.text))
    cos, sin = math.cos(word.phi), math.sin(word.phi)
    # PDF measures from the bottom left edge, y points upwards.
    x = (word.col + 0.5) * scale - cos * length / 2
    y = (page_height - word.row - 0.5) * scale - sin * length / 2
    font = fonts.font(word.above / word.size, word.below / word.size)
    head = f"/{font} {size:.4f} Tf {stretch:.4f} Tz"
    letters = fonts.encode(visual_order(word.text))
    matrix = _matrix(word.phi, x, y)
    if not oblique:
        return [f"BT {head} {matrix} <{letters}{fonts.encode(space)}> Tj ET"]
    # What stands for the whole word is not taken apart (ISO 32000-1, 14.9.4). Readers that know
    # upright boxes alone (poppler) let it start and end where its middle line does, in the
    # coordinates that hold at its end: stretched by what its height adds. They give it the height
    # of the font that is used last: one as high as the word climbs, at right angles.
    text = word.text.encode("utf-16-be").hex().upper()
    upright = _matrix(quarters * math.pi / 2, x, y)
    marked = [
        f"q /Span <</ActualText <FEFF{text}>>> BDC BT {head} {matrix} <{letters}> Tj",
        f"{_set_climbing_font(word, slope, fonts, scale)} {upright} <> Tj ET",
    ]
    end_x, end_y = x + cos * length, y + sin * length
    reach = (word.above + word.below) * scale * abs(math.sin(slope))
    stretched = 1 + reach / (length * math.cos(slope))
    if quarters % 2:
        marked.append(f"1 0 0 {stretched:.6f} 0 {(1 - stretched) * (y + end_y) / 2:.6f} cm EMC Q")
    else:
        marked.append(f"{stretched:.6f} 0 0 1 {(1 - stretched) * (x + end_x) / 2:.6f} 0 cm EMC Q")
    if space:
        marked.append(f"BT {head} {_matrix(word.phi, end_x, end_y)} <{fonts.encode(space)}> Tj ET")
    return marked


def _matrix(angle: float, x: float, y: float) -> str:
    cos, sin = math.cos(angle), math.sin(angle)
    numbers = " ".join(f"{value:.5f}" for value in (cos, sin, -sin, cos, x, y))
    return f"{numbers} Tm"


def _set_climbing_font(word: SetWord, slope: float, fonts: InvisibleFonts, scale: float) -> str:
    """Sets the font whose heights are those of the whole word over and under its start."""
    climb = word.length * math.sin(slope)
    above = word.above * math.cos(slope) + max(climb, 0.0)
    below = word.below * math.cos(slope) + max(-climb, 0.0)
    size = max(word.size, above / MAX_HEIGHT, below / MAX_HEIGHT)
    return f"/{fonts.font(above / size, below / size)} {size * scale:.4f} Tf"


def visual_order(text: str) -> str:
    """The characters of a word from left to right, as PDF files have them and readers undo.

    Only words with letters that run leftwards change: their characters are turned around, but not
    the numbers and rightward letters among them (as UAX 9 does for one embedding level).
    """
    if not any(unicodedata.bidirectional(c) in _LEFTWARDS for c in text):
        return text
    runs = [
        (rightwards, list(characters))
        for rightwards, characters in itertools.groupby(
            _with_marks(text), lambda c: unicodedata.bidirectional(c[0]) in _RIGHTWARDS
        )
    ]
    return "".join(
        "".join(run if rightwards else reversed(run)) for rightwards, run in reversed(runs)
    )


def _with_marks(text: str) -> list[str]:
    """Each character with the marks that follow it."""
    clusters: list[str] = []
    for character in text:
        if clusters and unicodedata.combining(character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters
