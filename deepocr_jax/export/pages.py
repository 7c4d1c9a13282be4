"""A result as the page that every export writes: blocks of lines of words.

The lines are those of the result. A line goes on the block of the line before it where it stands
right below: in about the same direction, less than `MAX_LINE_GAP` of its height away, and with
part of the line above it. Whatever does not begins a block; so columns and paragraphs are blocks.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import boxes_to_quads, directions, enclosing_box
from deepocr_jax.types import DeepOCRResult

# Between two lines of a block, in heights of the higher one, and degrees.
MAX_LINE_GAP = 1.2
MAX_LINE_TURN = 20.0

BOX_KEYS = ("row", "col", "phi", "length1", "length2")

_SPACES = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]")
# What XML 1.0 (section 2.2) has no place for, and the control characters that it advises against.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class ExportChar:
    """The readings of one character, the most likely first, and their confidences in [0, 1]."""

    candidates: tuple[str, ...]
    confidences: tuple[float, ...]


@dataclass(frozen=True)
class ExportWord:
    """A word.

    Attributes:
        box: [5], in pixels of the image.
        text: What was read; empty where nothing was.
        confidence: In [0, 1]; None where nothing was read.
        chars: The readings of each character.
    """

    box: np.ndarray
    text: str = ""
    confidence: float | None = None
    chars: tuple[ExportChar, ...] = ()


@dataclass(frozen=True)
class ExportLine:
    """A text line: one word or more, in reading order."""

    words: tuple[ExportWord, ...]

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(word.text for word in self.words)

    @cached_property
    def box(self) -> np.ndarray:
        """[5], the box around the words in their mean direction."""
        return _box_around([word.box for word in self.words])


@dataclass(frozen=True)
class ExportBlock:
    """A block of text: one line or more, in reading order."""

    lines: tuple[ExportLine, ...]

    @cached_property
    def box(self) -> np.ndarray:
        """[5], the box around the lines in their mean direction."""
        return _box_around([line.box for line in self.lines])


@dataclass(frozen=True)
class ExportPage:
    """One image's result.

    Attributes:
        height, width: Of the image in pixels.
        name: What files call the image.
        blocks: In reading order.
        image: The image, as `read_image` or `as_rgb` takes it; None where no export needs it.
    """

    height: int
    width: int
    name: str
    blocks: tuple[ExportBlock, ...]
    image: Any = None

    @property
    def lines(self) -> list[ExportLine]:
        """All lines in reading order."""
        return [line for block in self.blocks for line in block.lines]


def result_to_page(
    result: DeepOCRResult, image_size: tuple[int, int], name: str = "", image: Any = None
) -> ExportPage:
    """The page of a result.

    Characters that no text file should hold (control characters, halves of surrogate pairs) become
    U+FFFD, line breaks and tabs become spaces.

    Args:
        result: Of any mode. The word of mode "recognition" has the box of the whole image; the
            words of mode "detection" have no text.
        image_size: (height, width) in pixels of the image that was read.
        name: What files call the image.
        image: The image, for exports that show it.

    Raises:
        ParameterValueError: The result is none of an image.
    """
    height, width = image_size
    if "words" in result:
        words = _words(result["words"])
        numbers = [int(k) for k in result["words"]["line_index"]]
    elif "word" in result:
        box = np.array([(height - 1) / 2, (width - 1) / 2, 0.0, width / 2, height / 2])
        words, numbers = [_word(box, result)], [0]
    else:
        raise ParameterValueError(
            "result: expected a result of apply_deep_ocr with the key 'words' or 'word', got "
            f"the keys {sorted(result)}"
        )
    lines: dict[int, list[ExportWord]] = {}
    for number, word in zip(numbers, words, strict=True):
        lines.setdefault(number, []).append(word)
    blocks = _blocks([ExportLine(tuple(line)) for line in lines.values()])
    return ExportPage(height, width, printable(name), blocks, image)


def printable(text: str) -> str:
    """The text with as many characters, of which each may stand in any export."""
    return _UNPRINTABLE.sub("\ufffd", _SPACES.sub(" ", text))


def _words(words: Any) -> list[ExportWord]:
    boxes = np.column_stack([np.asarray(words[key], np.float64) for key in BOX_KEYS])
    if "word" not in words:
        return [ExportWord(box) for box in boxes]
    keys = ("word", "confidence", "char_candidates")
    rows = zip(*(words[key] for key in keys), strict=True)
    return [_word(b, dict(zip(keys, r, strict=True))) for b, r in zip(boxes, rows, strict=True)]


def _word(box: np.ndarray, entry: Any) -> ExportWord:
    chars = tuple(
        ExportChar(
            tuple(printable(text) for text in char["candidate"]),
            tuple(float(value) for value in char["confidence"]),
        )
        for char in entry["char_candidates"]
    )
    return ExportWord(box, printable(entry["word"]), float(entry["confidence"]), chars)


# --- blocks -------------------------------------------------------------------------------------


def _blocks(lines: Sequence[ExportLine]) -> tuple[ExportBlock, ...]:
    blocks: list[list[ExportLine]] = []
    for line in lines:
        if blocks and _goes_on(blocks[-1][-1].box, line.box):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return tuple(ExportBlock(tuple(block)) for block in blocks)


def _goes_on(above: np.ndarray, box: np.ndarray) -> bool:
    """Whether a line's box stands right below that of the line before it."""
    if math.cos(box[2] - above[2]) < math.cos(math.radians(MAX_LINE_TURN)):
        return False
    along, across = directions(above[2])
    aside, below = np.abs((box[:2] - above[:2]) @ along), (box[:2] - above[:2]) @ across
    gap = below - above[4] - box[4]
    near = below > min(above[4], box[4]) and gap <= MAX_LINE_GAP * 2 * max(above[4], box[4])
    return bool(near and aside < above[3] + box[3])


def _box_around(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """The box around boxes, in their mean direction, in which long ones count more."""
    stacked = np.stack(boxes)
    if np.ptp(stacked[:, 2]) == 0:
        return enclosing_box(stacked, stacked[0, 2])
    return enclosing_box(stacked, float(np.angle(stacked[:, 3] @ np.exp(1j * stacked[:, 2]))))


# --- places on the page -------------------------------------------------------------------------


def boxes_to_polygons(boxes: np.ndarray, page: ExportPage) -> np.ndarray:
    """Corners [n, 4, 2] of boxes [n, 5], as (x, y) from the page's top left edge, inside the page.

    Exports measure from the edge of the first pixel, and not from its centre.
    """
    return np.clip(boxes_to_quads(boxes)[..., ::-1] + 0.5, 0.0, [page.width, page.height])


def box_to_polygon(box: np.ndarray, page: ExportPage) -> np.ndarray:
    """The corners [4, 2] of one box, as by `boxes_to_polygons`."""
    return boxes_to_polygons(box, page)[0]


def box_to_bounds(box: np.ndarray, page: ExportPage) -> np.ndarray:
    """The upright bounds (x0, y0, x1, y1) of a box, measured as by `boxes_to_polygons`."""
    polygon = box_to_polygon(box, page)
    return np.concatenate([polygon.min(axis=0), polygon.max(axis=0)])


def angle_deg(box: np.ndarray) -> float:
    """The reading direction in degrees in (-180, 180], counter-clockwise, with one decimal."""
    angle = round(math.degrees(box[2]), 1)
    return 180.0 if angle <= -180 else angle + 0.0


def is_upright(box: np.ndarray) -> bool:
    """Whether the bounds of a box say where it is: it is turned by right angles or not at all."""
    return angle_deg(box) % 90 == 0
