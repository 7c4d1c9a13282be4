"""The invisible text of a page, each word exactly over its box, as PDF operators."""

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deepocr_jax.export.pages import ExportPage, ExportWord
from deepocr_jax.export.pdf_font import ASCENT, DESCENT, GLYPH_WIDTH, UNITS_PER_EM, CharacterCodes

_INVISIBLE = 3
# Smallest half length and half height that text is set in, in pixels.
_MIN_HALF = 0.1


@dataclass(frozen=True)
class TextStyle:
    """How text is set.

    Attributes:
        scale: Points a pixel.
        font: The name of the font among the page's resources.
        render_mode: 3 is invisible, 0 filled (ISO 32000-1, table 106).
    """

    scale: float
    font: str = "F0"
    render_mode: int = _INVISIBLE


def page_text(page: ExportPage, codes: CharacterCodes, style: TextStyle) -> bytes:
    """The operators that set a page's words in reading order.

    The letters of a word share its box evenly. Its space is in the same string, so that what is
    copied has one space between words; each line is a piece of marked content of its own.
    """
    lines = [
        "\n".join(operators)
        for line in page.lines
        if (operators := list(_line(line.words, page, codes, style)))
    ]
    if not lines:
        return b""
    head = f"BT\n{style.render_mode} Tr"
    return "\n".join([head, *lines, "ET\n"]).encode("ascii")


def _line(
    words: tuple[ExportWord, ...], page: ExportPage, codes: CharacterCodes, style: TextStyle
) -> Iterator[str]:
    shown = [word for word in words if word.text.strip()]
    for index, word in enumerate(shown):
        space = " " if index + 1 < len(shown) else ""
        yield _word(word, space, page, codes, style)


def _word(
    word: ExportWord, space: str, page: ExportPage, codes: CharacterCodes, style: TextStyle
) -> str:
    """One word: its font size is the box's height, its letters are as wide as fills the box."""
    row, col, phi = word.box[:3].tolist()
    half1, half2 = np.maximum(word.box[3:], _MIN_HALF).tolist()
    size = 2 * half2 * style.scale
    natural = GLYPH_WIDTH / UNITS_PER_EM * size * len(word.text)
    stretch = 100 * 2 * half1 * style.scale / natural
    # Letters of a script that runs leftwards are set from the right end, mirrored: nobody sees
    # them, and they are at their places in the order in which they are read.
    forward = -1 if _runs_leftwards(word.text) else 1
    cos, sin = math.cos(phi), math.sin(phi)
    # From the middle of the box to the start of the baseline; y points upwards.
    along, up = -half1 * forward, -half2 - 2 * half2 * DESCENT / (ASCENT - DESCENT)
    x = (col + 0.5 + along * cos - up * sin) * style.scale
    y = (page.height - row - 0.5 + along * sin + up * cos) * style.scale
    matrix = (forward * cos, forward * sin, -sin, cos, x, y)
    numbers = " ".join(f"{value:.5f}" for value in matrix)
    text = codes.encode(word.text + space)
    return f"/{style.font} {size:.4f} Tf {stretch:.4f} Tz {numbers} Tm <{text}> Tj"


def _runs_leftwards(text: str) -> bool:
    """Whether the first letter with a direction is of a script that runs from right to left."""
    directions = (unicodedata.bidirectional(character) for character in text)
    return next((d for d in directions if d in ("L", "R", "AL")), "L") != "L"
