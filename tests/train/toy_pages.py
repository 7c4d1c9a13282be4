"""Pages of boxes for characters: all that a detector's targets need, drawn with numpy."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# Widths of cells in units of the text's size, from "i" to "W".
WIDTHS = np.array([0.23, 0.28, 0.45, 0.5, 0.5, 0.55, 0.55, 0.6, 0.7, 0.9])
# Shares of words of 1, 2, ... characters, about those of English books.
LENGTHS = np.array([3, 18, 20, 15, 11, 8, 8, 6, 4, 3, 2, 1, 1]) / 100


class ToyPages(NamedTuple):
    images: np.ndarray
    quads: np.ndarray
    words: np.ndarray
    codes: np.ndarray
    visible: np.ndarray


def dense_page(seed, side=512, size=12.0, degrees=0.0, most=900, leading=1.25, gap=0.28):
    """One page full of lines of text of a size, turned counterclockwise about its middle."""
    rng = np.random.default_rng(seed)
    quads, words = [], []
    reach = side * (0.5 if degrees % 90 == 0 else 0.35)
    word, y = 0, -reach + size
    while y < reach - 1.2 * size:
        x = -reach + rng.uniform(0, 2 * size)
        while True:
            widths = size * rng.choice(WIDTHS, 1 + rng.choice(len(LENGTHS), p=LENGTHS))
            if x + widths.sum() > reach:
                break
            edges = x + np.concatenate([[0.0], np.cumsum(widths)])
            for left, right in zip(edges[:-1], edges[1:], strict=True):
                quads.append([[left, y], [right, y], [right, y + size], [left, y + size]])
                words.append(word)
            word, x = word + 1, edges[-1] + gap * size
        y += leading * size
    turned = turn(np.array(quads[:most]), degrees) + side / 2
    return page_of(turned, words[:most], side)


def turn(points, degrees):
    """Points (x, y) turned counterclockwise about (0, 0), as one sees it while y grows down."""
    sin, cos = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    return points @ np.array([[cos, -sin], [sin, cos]])


def page_of(quads, words, side, visible=None):
    """One page with light paper and a dark stroke in each cell."""
    quads = np.asarray(quads, np.float32)
    image = np.full((side, side, 3), 235, np.uint8)
    for quad in quads:
        centre = quad.mean(axis=0)
        inner = centre + 0.6 * (quad - centre) - 0.5
        cv2.polylines(image, [np.round(inner * 16).astype(np.int32)], True, (30, 30, 30), 1, 16, 4)
    shown = np.ones(len(quads), bool) if visible is None else np.asarray(visible)
    codes = np.zeros(len(quads), np.int32)
    return ToyPages(image, quads, np.asarray(words, np.int32), codes, shown)


def stack(*pages):
    """Pages of one size as one batch."""
    most = max(len(p.words) for p in pages)

    def padded(values, fill):
        room = [(0, most - len(values))] + [(0, 0)] * (values.ndim - 1)
        return np.pad(values, room, constant_values=fill)

    return ToyPages(
        np.stack([p.images for p in pages]),
        np.stack([padded(p.quads, 0) for p in pages]),
        np.stack([padded(p.words, -1) for p in pages]),
        np.stack([padded(p.codes, 0) for p in pages]),
        np.stack([padded(p.visible, False) for p in pages]),
    )


def write_pages(folder, count, side):
    """Pages as images in a new folder, and the dataset of their words."""
    folder.mkdir()
    samples = []
    for number in range(count):
        page = dense_page(number, side=side, size=15)
        name = f"{number}.png"
        cv2.imwrite(str(folder / name), page.images)
        boxes, texts = [], []
        for word in np.unique(page.words):
            cells = page.quads[page.words == word].reshape(-1, 2)
            (x0, y0), (x1, y1) = cells.min(axis=0), cells.max(axis=0)
            boxes.append([(y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2, 0, (x1 - x0) / 2, (y1 - y0) / 2])
            texts.append({"text": "x" * int(np.sum(page.words == word))})
        columns = np.array(boxes).T.tolist()
        keys = ("row", "col", "phi", "length1", "length2")
        sample = {"image_id": number, "image_file_name": name, "bbox_label_id": [0] * len(boxes)}
        sample |= {f"bbox_{k}": c for k, c in zip(keys, columns, strict=True)}
        samples.append({**sample, "label_custom_data": texts})
    classes = {"class_ids": [0], "class_names": ["word"]}
    return {"image_dir": str(folder), **classes, "samples": samples}
