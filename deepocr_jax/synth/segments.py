"""The shapes of seven-segment characters."""

from dataclasses import dataclass

import cv2
import numpy as np

# Segments a to g: top, upper right, lower right, bottom, lower left, upper left, middle.
LIT: dict[str, str] = {
    "0": "abcdef",
    "1": "bc",
    "2": "abdeg",
    "3": "abcdg",
    "4": "bcfg",
    "5": "acdfg",
    "6": "acdefg",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
    "-": "g",
}
# Both are common: some displays draw 6, 7 and 9 with one segment more or less.
VARIANTS: dict[str, str] = {"6": "cdefg", "7": "abcf", "9": "abcfg"}
DOT = "."


@dataclass(frozen=True)
class DigitShape:
    """Proportions of a display's digits; lengths are shares of a digit's height.

    Attributes:
        width: Of a digit.
        thickness: Of a segment.
        gap: Between segments.
        slant: How far the top leans to the right.
        bevel: Share of the thickness that is cut off at a segment's ends.
        variants: Whether 6, 7 and 9 have their other form.
    """

    width: float
    thickness: float
    gap: float
    slant: float
    bevel: float
    variants: bool


def segment_polygons(shape: DigitShape) -> dict[str, np.ndarray]:
    """The seven segments of a digit: name -> [n, 2] (x, y), y from 0 (top) to 1."""
    w, t, g = shape.width, shape.thickness, shape.gap
    left, right = t / 2, w - t / 2
    top, middle, bottom = t / 2, 0.5, 1 - t / 2
    ends = {
        "a": ((left, top), (right, top)),
        "b": ((right, top), (right, middle)),
        "c": ((right, middle), (right, bottom)),
        "d": ((left, bottom), (right, bottom)),
        "e": ((left, middle), (left, bottom)),
        "f": ((left, top), (left, middle)),
        "g": ((left, middle), (right, middle)),
    }
    return {
        name: _lean(_bar(np.array(start), np.array(stop), t, g, shape.bevel), shape.slant)
        for name, (start, stop) in ends.items()
    }


def _bar(start: np.ndarray, stop: np.ndarray, t: float, gap: float, bevel: float) -> np.ndarray:
    """A hexagon along a segment; without bevel a rectangle that stops short of its neighbours."""
    along = (stop - start) / np.linalg.norm(stop - start)
    across = np.array([-along[1], along[0]]) * t / 2
    start, stop = start + along * gap, stop - along * gap
    shoulder = along * (bevel * t / 2)
    tip = along * (1 - bevel) * t / 2
    return np.array(
        [
            start - tip,
            start + shoulder + across,
            stop - shoulder + across,
            stop + tip,
            stop - shoulder - across,
            start + shoulder - across,
        ]
    )


def _lean(points: np.ndarray, slant: float) -> np.ndarray:
    return points + np.stack([slant * (1 - points[:, 1]), np.zeros(len(points))], axis=1)


def draw_segments(
    canvas: np.ndarray, shape: DigitShape, lit: str, left: float, top: float, height: float
) -> None:
    """Draws lit segments of one digit white onto a uint8 canvas [h, w]; lengths in pixels."""
    polygons = segment_polygons(shape)
    for name in lit:
        points = polygons[name] * height + [left, top]
        cv2.fillPoly(canvas, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)


def lit_segments(character: str, shape: DigitShape) -> str:
    """The segments of a character in a display's form of it."""
    variant = VARIANTS.get(character) if shape.variants else None
    return variant or LIT[character]
