"""Results made by hand, as `apply_deep_ocr` gives them."""

from __future__ import annotations

import math

import numpy as np

from deepocr_jax.export.pages import result_to_page

KEYS = ("row", "col", "phi", "length1", "length2")

STRANGE = (
    'say "hi" & <go>',
    "a\0b\x0bc\x1f\x7f\x85",
    "tab\tline\nfeed\u2028",
    "half \ud800 pair",
    "𝔘𝔫𝔦 😀",
    "שלום",
    "\ufffe]]>",
    "e\u0301",
)


def characters(text, confidence=0.9):
    return [{"candidate": [c, "x"], "confidence": [confidence, 1 - confidence]} for c in text]


def result_of(rows):
    """A result of rows (text, row, col, degrees, length1, length2, line)."""
    boxes = np.array([[r[1], r[2], math.radians(r[3]), r[4], r[5]] for r in rows], np.float64)
    texts = [r[0] for r in rows]
    words = dict(zip(KEYS, boxes.reshape(-1, 5).T, strict=True))
    words["line_index"] = np.array([r[6] for r in rows], np.int64)
    words["word"] = texts
    words["confidence"] = np.full(len(rows), 0.9)
    words["char_candidates"] = [characters(text) for text in texts]
    return {"words": words}


def line_of(text, row, col, line, degrees=0.0, unit=12.0, half=11.0):
    """The words of a text from (row, col) on, the middle of its left edge, in one direction."""
    angle = math.radians(degrees)
    rows, start = [], 0.0
    for word in text.split():
        middle = start + unit * len(word) / 2
        centre = (row - math.sin(angle) * middle, col + math.cos(angle) * middle)
        rows.append((word, *centre, degrees, unit * len(word) / 2, half, line))
        start += unit * (len(word) + 0.6)
    return rows


def upright():
    rows = line_of("Alpha beta gamma", 50, 40, 0) + line_of("delta 12,50 end.", 80, 40, 1)
    return result_of(rows + line_of("far below", 300, 40, 2)), (400, 600)


def rotated():
    rows = []
    for line, (degrees, row, col) in enumerate(
        [(0, 60, 60), (30, 480, 60), (90, 700, 500), (180, 560, 560), (-90, 100, 720), (3, 640, 40)]
    ):
        rows += line_of(f"turned by {degrees} degrees", row, col, line, degrees)
    return result_of(rows), (800, 800)


def columns():
    rows = line_of("Heading over both", 40, 200, 0, half=16.0)
    left = ["one two three", "four five six", "seven eight nine"]
    right = ["ten eleven twelve", "thirteen and more", "the last line"]
    for k, text in enumerate(left):
        rows += line_of(text, 120 + 30 * k, 40, 1 + k)
    for k, text in enumerate(right):
        rows += line_of(text, 120 + 30 * k, 420, 4 + k)
    return result_of(rows), (400, 800)


def strange():
    rows = [(t, 40 + 40 * k, 200, 0, 80, 11, k) for k, t in enumerate(STRANGE)]
    return result_of(rows), (400, 500)


def empty():
    return result_of([]), (30, 50)


RESULTS = {"upright": upright, "rotated": rotated, "columns": columns, "strange": strange}
RESULTS["empty"] = empty


def page_of(kind, name="scan.png", image=None):
    result, size = RESULTS[kind]()
    return result_to_page(result, size, name, image)


def white_image(page):
    return np.full((page.height, page.width, 3), 255, np.uint8)


def words_of(page):
    return [word for line in page.lines for word in line.words]
