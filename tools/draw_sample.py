"""Draws the sample image of the package: an invented delivery note.

Everything on it is invented, so the picture may be shown and shipped freely. Run this file from
anywhere to write the picture to its place in the package. The font is the one inside Pillow;
another release of FreeType may change a few pixels at the edges of the glyphs, so the PNG file
names the release that drew it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin, features

SAMPLE_PATH = Path(__file__).resolve().parents[1] / "deepocr_jax" / "assets" / "sample.png"

FREETYPE_KEY = "FreeType"
"""Name of the text in the PNG file that holds the release of FreeType which drew it."""

_SIZE = (1000, 700)  # width, height in pixels
_MARGIN = 60
_PAPER = 255
_INK = 20
_RULE = 120
_STAMP_INK = 90
_STAMP_DEGREES = 20

_SENDER = ("From", "Harbour Lane Tools", "14 Mill Road", "Northbrook", "Order 2047-B")
_RECEIVER = ("To", "Orchard Workshop", "Unit 7, Station Yard", "Eastvale", "Delivered 18 March")
_COLUMNS = ("Item", "Part", "Qty", "Price", "Total")
_ROWS = (
    ("Hex bolt M8", "HB-108", "40", "0.35", "14.00"),
    ("Wood screw", "WS-512", "250", "0.06", "15.00"),
    ("Steel bracket", "SB-033", "12", "2.75", "33.00"),
    ("Cable tie", "CT-900", "100", "0.09", "9.00"),
)
_SUM = ("Sum", "71.00")
# Left edge of the text columns, right edge of the number columns.
_TEXT_EDGES = (80, 340)
_NUMBER_EDGES = (590, 750, 920)
_SMALL_PRINT = (
    "Please check the goods on arrival and report any damage within five working days. Goods stay "
    "the property of the seller until paid."
)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font inside Pillow at a size in pixels, laid out the same way on every machine."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "Expected Pillow with FreeType, got a build without it; install Pillow from its wheel."
        )
    # The other layout engine is an optional library, and it places the glyphs differently.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def _draw_block(draw: ImageDraw.ImageDraw, left: int, top: int, lines: Sequence[str]) -> None:
    """Writes a small title and the lines below it; `left` and `top` in pixels."""
    draw.text((left, top), lines[0], font=_font(16), fill=_RULE)
    for index, line in enumerate(lines[1:]):
        draw.text((left, top + 26 + 30 * index), line, font=_font(22), fill=_INK)


def _draw_row(draw: ImageDraw.ImageDraw, top: int, cells: Sequence[str]) -> None:
    """Writes one row of the table: texts flush left, numbers flush right; `top` in pixels."""
    font = _font(22)
    for left, cell in zip(_TEXT_EDGES, cells[:2], strict=True):
        draw.text((left, top), cell, font=font, fill=_INK)
    for right, cell in zip(_NUMBER_EDGES, cells[2:], strict=True):
        draw.text((right, top), cell, font=font, fill=_INK, anchor="ra")


def _draw_table(draw: ImageDraw.ImageDraw, top: int) -> None:
    """Draws the table with its rules and its sum; `top` in pixels."""
    right = _SIZE[0] - _MARGIN
    draw.line((_MARGIN, top, right, top), fill=_RULE, width=2)
    _draw_row(draw, top + 8, _COLUMNS)
    draw.line((_MARGIN, top + 44, right, top + 44), fill=_RULE, width=2)
    for index, cells in enumerate(_ROWS):
        _draw_row(draw, top + 54 + 34 * index, cells)
    bottom = top + 58 + 34 * len(_ROWS)
    draw.line((_MARGIN, bottom, right, bottom), fill=_RULE, width=2)
    draw.text((_NUMBER_EDGES[1], bottom + 10), _SUM[0], font=_font(24), fill=_INK, anchor="ra")
    draw.text((_NUMBER_EDGES[2], bottom + 10), _SUM[1], font=_font(24), fill=_INK, anchor="ra")


def _draw_stamp(page: Image.Image, center: tuple[int, int]) -> None:
    """Puts the turned stamp on the page, its middle at `center` (x, y) in pixels."""
    mask = Image.new("L", (240, 72), 0)
    draw = ImageDraw.Draw(mask)
    draw.rectangle((3, 3, 236, 68), outline=255, width=4)
    draw.text((120, 36), "RECEIVED", font=_font(38), fill=255, anchor="mm", stroke_width=1)
    mask = mask.rotate(_STAMP_DEGREES, resample=Image.Resampling.BICUBIC, expand=True)
    corner = (center[0] - mask.width // 2, center[1] - mask.height // 2)
    page.paste(_STAMP_INK, (*corner, corner[0] + mask.width, corner[1] + mask.height), mask)


def draw_sample() -> npt.NDArray[np.uint8]:
    """Draws the sample image.

    Returns:
        Gray uint8 [700, 1000], the same on every call with the same release of FreeType.

    Raises:
        RuntimeError: Pillow was built without FreeType.
    """
    page = Image.new("L", _SIZE, _PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, 40), "DELIVERY NOTE", font=_font(52), fill=_INK)
    draw.text((_SIZE[0] - _MARGIN, 58), "No. 58213", font=_font(28), fill=_INK, anchor="ra")
    draw.line((_MARGIN, 112, _SIZE[0] - _MARGIN, 112), fill=_INK, width=3)
    _draw_block(draw, _MARGIN, 134, _SENDER)
    _draw_block(draw, 520, 134, _RECEIVER)
    _draw_table(draw, 298)
    _draw_stamp(page, (250, 576))
    draw.text((_MARGIN, 666), _SMALL_PRINT, font=_font(14), fill=_INK)
    return np.array(page)


def main() -> int:
    """Writes the sample image into the package and says where."""
    SAMPLE_PATH.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    info.add_text(FREETYPE_KEY, features.version("freetype2") or "")
    Image.fromarray(draw_sample()).save(SAMPLE_PATH, optimize=True, pnginfo=info)
    print(f"{SAMPLE_PATH}: {SAMPLE_PATH.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
