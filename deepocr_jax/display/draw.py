"""A picture of a result: the boxes, their reading direction, the words."""

import functools
import math
import unicodedata

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import boxes_to_quads, directions
from deepocr_jax.image import as_rgb
from deepocr_jax.types import DeepOCRResult

Color = tuple[int, int, int]

START_COLOR: Color = (230, 80, 0)
"""Colour of the edge where the reading of a box starts."""

TEXT_COLOR: Color = (0, 40, 200)
HALO_COLOR: Color = (255, 255, 255)

# A word is written smaller than it stands in the image, so that it fits above its box.
TEXT_SCALE = 0.8
MIN_TEXT_PX, MAX_TEXT_PX = 9, 64

# OpenCV takes coordinates as integers with this many fractional bits.
SHIFT = 4


def draw_result(
    image: np.ndarray,
    result: DeepOCRResult,
    show_words: bool = True,
    box_color: Color = (0, 160, 0),
    line_width: int = 2,
) -> np.ndarray:
    """Draws the words of a result onto its image.

    Each word has its box, whose edge at the start of the reading is orange, and its text above the
    box along its direction. The font is the one inside Pillow. A letter that it lacks is drawn
    without its accent, any other such character as a crossed box.

    Args:
        image: The image that was read: uint8 [h, w, 3] RGB, or what `as_rgb` takes.
        result: Its result in the mode "auto" or "detection".
        show_words: Whether to write the texts; without texts in the result there are none.
        box_color: RGB colour of the boxes.
        line_width: Width of the lines in pixels, at least 1.

    Returns:
        uint8 [h, w, 3] RGB; the input stays as it is.

    Raises:
        ImageError: The image cannot be used.
        ParameterValueError: The result has no boxes, or the line width is below 1.
    """
    if "words" not in result:
        raise ParameterValueError(
            "result: expected the result for an image in mode auto or detection, got one without "
            "'words'; a result of the mode recognition has no boxes to draw"
        )
    if line_width < 1:
        raise ParameterValueError(f"line_width: expected at least 1, got {line_width!r}")
    canvas = as_rgb(image).copy()
    words = result["words"]
    keys = ("row", "col", "phi", "length1", "length2")
    boxes = np.column_stack([np.asarray(words[key], np.float64) for key in keys])
    _draw_boxes(canvas, boxes, box_color, line_width)
    texts = words.get("word", []) if show_words else []
    if not texts:
        return canvas
    page = Image.fromarray(canvas)
    for box, text in zip(boxes, texts, strict=True):
        _draw_text(page, box, text, line_width)
    return np.array(page)


def _draw_boxes(canvas: np.ndarray, boxes: np.ndarray, color: Color, width: int) -> None:
    """Draws the outlines onto [h, w, 3]; the start edges last, as neighbours may touch."""
    corners = np.rint(boxes_to_quads(boxes)[..., ::-1] * 2**SHIFT).astype(np.int32)
    style = {"thickness": width, "lineType": cv2.LINE_AA, "shift": SHIFT}
    cv2.polylines(canvas, list(corners), True, color, **style)
    starts = np.ascontiguousarray(corners[:, [0, 3]])
    cv2.polylines(canvas, list(starts), False, START_COLOR, **style)


def _draw_text(page: Image.Image, box: np.ndarray, text: str, line_width: int) -> None:
    """Writes the text above a box [5], starting where the box starts, inside the page."""
    label = _label(text, 2 * box[3], 2 * box[4])
    if label is None:
        return
    along, across = directions(box[2:3])
    aside = label.width / 2 - box[3]
    above = box[4] + label.height / 2 + line_width / 2
    row, col = box[:2] + along[0] * aside - across[0] * above
    turned = label.rotate(math.degrees(box[2]), Image.Resampling.BICUBIC, expand=True)
    left = _inside(col - turned.width / 2, turned.width, page.width)
    top = _inside(row - turned.height / 2, turned.height, page.height)
    page.paste(turned, (left, top), turned)


def _inside(start: float, length: int, limit: int) -> int:
    """The start of a span of `length`, moved so that it ends at most at `limit`."""
    return max(0, min(round(start), limit - length))


def _label(text: str, length: float, height: float) -> Image.Image | None:
    """The text with its halo, upright, RGBA; no larger than fits a box of length x height."""
    size = round(min(max(TEXT_SCALE * height, MIN_TEXT_PX), MAX_TEXT_PX))
    text = _drawable(text)
    wide = _font(size).getlength(text)
    if wide > length:
        size = max(MIN_TEXT_PX, math.floor(size * length / wide))
    font, halo = _font(size), max(1, round(size / 9))
    left, top, right, bottom = map(round, font.getbbox(text, stroke_width=halo))
    if right <= left or bottom <= top:
        return None
    label = Image.new("RGBA", (right - left, bottom - top), (*HALO_COLOR, 0))
    draw = ImageDraw.Draw(label)
    style = {"font": font, "stroke_width": halo, "stroke_fill": HALO_COLOR}
    draw.text((-left, -top), text, fill=TEXT_COLOR, **style)
    return label


@functools.lru_cache(maxsize=MAX_TEXT_PX)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font inside Pillow at a size in pixels."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    # The other layout engine is an optional library, and it places the glyphs differently.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def _drawable(text: str) -> str:
    """The text with letters that the font lacks replaced by their bases, in one line."""
    return "".join(map(_substitute, " ".join(text.split())))


@functools.lru_cache(maxsize=4096)
def _substitute(character: str) -> str:
    if _has_glyph(character):
        return character
    bases = [c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c)]
    return "".join(bases) if bases and all(map(_has_glyph, bases)) else character


@functools.lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    """Whether the font draws a character otherwise than one that no font has."""
    return character.isspace() or _picture(character) != _picture("\uffff")


@functools.lru_cache(maxsize=4096)
def _picture(character: str) -> bytes:
    tile = Image.new("L", (48, 48))
    ImageDraw.Draw(tile).text((8, 8), character, fill=255, font=_font(24))
    return tile.tobytes()
