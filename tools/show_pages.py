"""Writes a contact sheet of synthetic pages: python tools/show_pages.py pages.png --boxes."""

from __future__ import annotations

import argparse
from functools import partial

import cv2
import jax
import numpy as np

from deepocr_jax.synth.pages import Pages, make_atlas, synthesize_pages

_GREEN, _RED = (0, 160, 0), (255, 0, 0)


def draw_boxes(pages: Pages, page: int) -> np.ndarray:
    """A page with its cells, three times as large: green, or red where not visible."""
    image = np.asarray(pages.images[page]).repeat(3, axis=0).repeat(3, axis=1)
    quads, words = np.asarray(pages.quads[page]), np.asarray(pages.words[page])
    for quad, seen in zip(
        quads[words >= 0], np.asarray(pages.visible[page])[words >= 0], strict=True
    ):
        points = np.rint(3 * quad).astype(np.int32)
        cv2.polylines(image, [points], True, _GREEN if seen else _RED)
    return image


def main() -> None:
    """Parses the command line, makes the pages and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", help="picture to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=16, help="of pages")
    parser.add_argument("--columns", type=int, default=4, help="of the sheet")
    parser.add_argument("--side", type=int, default=512, help="of a page, in pixels")
    parser.add_argument("--scenes", type=float, default=0.4, help="share of scenes")
    parser.add_argument("--fonts", help="folder with fonts; default: those that are installed")
    parser.add_argument("--boxes", action="store_true", help="draw the cells, three times as large")
    args = parser.parse_args()
    make = jax.jit(
        partial(
            synthesize_pages,
            count=args.count,
            height=args.side,
            width=args.side,
            scenes=args.scenes,
        )
    )
    pages = make(make_atlas(args.fonts), jax.random.key(args.seed))
    tiles = [
        draw_boxes(pages, k) if args.boxes else np.asarray(pages.images[k])
        for k in range(args.count)
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % args.columns)
    rows = [np.hstack(tiles[k : k + args.columns]) for k in range(0, len(tiles), args.columns)]
    cv2.imwrite(args.path, np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
