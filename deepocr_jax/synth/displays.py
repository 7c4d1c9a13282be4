"""Numbers on seven-segment displays, as meters, scales and clocks photographed show them."""

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.layout import HEIGHT
from deepocr_jax.synth.random_streams import Stream, random_stream
from deepocr_jax.synth.segments import (
    DOT,
    LIT,
    DigitShape,
    draw_segments,
    lit_segments,
)
from deepocr_jax.synth.wear import wear_out
from deepocr_jax.types import ImageArray, IntArray

_VERSION = 1
DISPLAYED = "0123456789.-"
"""The characters of the numbers."""
SCALE = 2
UNITS = ("kWh", "kW", "kVA", "V", "A", "Hz", "kg", "C", "CUM", "L1", "MD", "PF", "lb", "h")

Generator = np.random.Generator


@dataclass(frozen=True)
class DisplayLayout:
    """One display: its number, its digits' form, and what stands where, in crop pixels."""

    text: str
    shape: DigitShape
    digit: float
    pitch: float
    left: float
    top: float
    width: int
    before: str
    after: str


class DisplaySource:
    """Seven-segment displays; a `CropSource`. Units and labels beside a number are not its text.

    Crop i depends on the seed and i alone.

    Attributes:
        fingerprint: Changes with the arguments and the version of this module.
    """

    def __init__(self, count: int, seed: int = 0, image_width: int = 2048) -> None:
        """Draws nothing yet.

        Args:
            count: Number of crops.
            seed: Other seeds give other crops.
            image_width: Most columns of a crop.
        """
        if count < 1:
            raise ParameterValueError(f"expected a count from 1 on, got {count}")
        self._count, self._seed, self._image_width = count, seed, image_width
        told = repr([_VERSION, count, seed, image_width])
        self.fingerprint = "displays " + hashlib.sha256(told.encode()).hexdigest()[:16]
        self._widths: IntArray | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Sequence[int]:
        """[n] image_id of each crop: its number."""
        return range(self._count)

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels."""
        if self._widths is None:
            self._widths = np.array([self._layout(i).width for i in range(self._count)], np.int64)
        return self._widths

    def word(self, index: int) -> str:
        """The number on a display."""
        return self._layout(index).text

    def crop(self, index: int) -> ImageArray:
        """The picture of a display, uint8 RGB [48, widths[index], 3]."""
        random = random_stream(self._seed, index, Stream.PAINT)
        return paint_display(random, self._layout(index))

    def _layout(self, index: int) -> DisplayLayout:
        if not 0 <= index < self._count:
            raise IndexError(f"Expected an index in 0..{self._count - 1}, got {index}.")
        text = _number(random_stream(self._seed, index, Stream.WORD))
        random = random_stream(self._seed, index, Stream.LAYOUT)
        return lay_out_display(random, text, self._image_width)


def _number(random: Generator) -> str:
    """Digits, often with leading zeros, often with a dot, sometimes with a sign."""
    length = int(random.integers(1, 9))
    digits = "".join(str(d) for d in random.integers(0, 10, length))
    if random.random() < 0.4:
        zeros = min(length - 1, int(random.integers(1, 4)))
        digits = "0" * zeros + digits[zeros:]
    if length > 1 and random.random() < 0.55:
        place = length - int(random.integers(1, min(4, length)))
        digits = f"{digits[:place]}{DOT}{digits[place:]}"
    return f"-{digits}" if random.random() < 0.04 else digits


def lay_out_display(random: Generator, text: str, image_width: int) -> DisplayLayout:
    """Sizes and places of a display's number."""
    shape = DigitShape(
        width=random.uniform(0.45, 0.75),
        thickness=random.uniform(0.08, 0.19),
        gap=random.uniform(0.0, 0.04),
        slant=max(0.0, random.normal(0.08, 0.07)),
        bevel=random.uniform(0.0, 1.0),
        variants=random.random() < 0.15,
    )
    digit = HEIGHT * random.uniform(0.45, 0.9)
    pitch = digit * (shape.width + random.uniform(0.08, 0.4))
    cells = sum(c != DOT for c in text)
    before = str(random.choice(UNITS)) if random.random() < 0.15 else ""
    after = str(random.choice(UNITS)) if random.random() < 0.5 else ""
    left = random.uniform(1, 12) + 9 * len(before)
    stretch = random.uniform(0.8, 1.25)
    width = left + pitch * cells + digit * shape.slant + random.uniform(1, 14) + 8 * len(after)
    top = random.uniform(0.15, 0.85) * (HEIGHT - digit)
    columns = int(min(image_width, max(8, round(width * stretch))))
    return DisplayLayout(text, shape, digit, pitch, left, top, columns, before, after)


def paint_display(random: Generator, layout: DisplayLayout) -> ImageArray:
    """A crop of a display, uint8 [48, layout.width, 3]."""
    natural = layout.left + layout.pitch * len(layout.text) + layout.digit + 8 * len(layout.after)
    size = (round(SCALE * HEIGHT), round(SCALE * natural) + 1)
    lit, all_segments = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    end = _draw_number(layout, lit, all_segments, random)
    _draw_labels(random, layout, lit, end)
    used = round(SCALE * (end + 8 * len(layout.after) + 4))
    matrix = _view(random, (HEIGHT, layout.width), (size[0], min(size[1], used)))
    ink, ghost = (
        cv2.warpPerspective(m, matrix, (layout.width, HEIGHT), flags=cv2.INTER_AREA).astype(
            np.float32
        )
        / np.float32(255)
        for m in (lit, all_segments)
    )
    ground, color = _colors(random)
    image = np.empty((HEIGHT, layout.width, 3), np.float32)
    image[:] = ground
    if random.random() < 0.4:
        image = _mix(image, ghost * np.float32(random.uniform(0.02, 0.18)), color)
    image = _mix(image, ink * np.float32(random.uniform(0.35, 1.0)), color)
    return wear_out(random, _lit_unevenly(random, image))


def _draw_number(
    layout: DisplayLayout, lit: np.ndarray, ghosts: np.ndarray, random: Generator
) -> float:
    """Draws the number; returns where it ends, in crop pixels."""
    height, left = SCALE * layout.digit, SCALE * layout.left
    top = SCALE * layout.top
    radius = max(1.0, height * layout.shape.thickness * random.uniform(0.35, 0.65))
    for character in layout.text:
        if character == DOT:
            x = left - SCALE * (layout.pitch - layout.digit * layout.shape.width) / 2
            centre = (round(x * 16), round((top + height - radius) * 16))
            cv2.circle(lit, centre, round(radius * 16), 255, -1, cv2.LINE_AA, 4)
            continue
        draw_segments(ghosts, layout.shape, LIT["8"], left, top, height)
        segments = lit_segments(character, layout.shape)
        draw_segments(lit, layout.shape, segments, left, top, height)
        left += SCALE * layout.pitch
    return left / SCALE + layout.digit * layout.shape.slant


def _draw_labels(random: Generator, layout: DisplayLayout, canvas: np.ndarray, end: float) -> None:
    """Small print beside the number, which is not part of it."""
    size = random.uniform(0.35, 0.55) * SCALE
    row = round(SCALE * HEIGHT * random.uniform(0.3, 0.95))
    for text, column in ((layout.before, 1.0), (layout.after, end + 2)):
        place = (round(SCALE * column), row)
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 2, cv2.LINE_AA)


def _view(random: Generator, size: tuple[int, int], source: tuple[int, int]) -> np.ndarray:
    """From the drawing to the crop, seen somewhat askew: [3, 3]."""
    h, w = size
    sh, sw = source
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    lean = random.normal(0, 2.5) * np.array([-1, 1, 1, -1])
    corners[:, 1] += lean + random.normal(0, 1.5, 4)
    corners[:, 0] += random.normal(0, 2.0, 4)
    drawn = np.array([[0, 0], [sw, 0], [sw, sh], [0, sh]], np.float32)
    return cv2.getPerspectiveTransform(drawn, corners.astype(np.float32))


def _colors(random: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ground and segments: dark on a tinted or gray ground, or bright on a dark one."""
    hue, dice = random.random(), random.random()
    if dice < 0.45:
        ground = _hsv(hue, random.uniform(0.3, 1.0), random.uniform(0.4, 1.0))
    elif dice < 0.75:
        ground = _hsv(hue, random.uniform(0.0, 0.25), random.uniform(0.25, 0.95))
    else:
        ground = _hsv(hue, random.uniform(0.0, 0.6), random.uniform(0.0, 0.25))
        return ground, _hsv(random.random(), random.uniform(0.2, 1.0), random.uniform(0.7, 1.0))
    return ground, ground * random.uniform(0.0, 0.45) + random.uniform(0, 25)


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255


def _lit_unevenly(random: Generator, image: np.ndarray) -> np.ndarray:
    """A slope of light, and sometimes a reflection."""
    height, width, _ = image.shape
    start, stop = random.uniform(0.6, 1.25, 2)
    image = image * np.linspace(start, stop, width, dtype=np.float32)[None, :, None]
    if random.random() < 0.3:
        rows, cols = np.mgrid[:height, :width].astype(np.float32)
        centre = random.uniform(0, 1, 2) * [height, width]
        reach = random.uniform(0.1, 0.6, 2) * [height, width] + 3
        far = ((rows - centre[0]) / reach[0]) ** 2 + ((cols - centre[1]) / reach[1]) ** 2
        image = image + np.exp(-far)[:, :, None] * np.float32(random.uniform(30, 160))
    return image


def _mix(image: np.ndarray, alpha: np.ndarray, color: np.ndarray) -> np.ndarray:
    return image + alpha[:, :, None] * (color.astype(np.float32) - image)
