"""Writes a contact sheet of pages: python tools/show_pages.py pages.png --boxes.

Synthetic pages, or images of one's own (--images); with the cells of the characters (--boxes), with
the maps and words of a detector (--maps=words_small_detection), or with the axes along which they
read as a look at them tells (--looks=text_axes_small).
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import cv2
import jax
import matplotlib
import numpy as np

import deepocr_jax as ocr
from deepocr_jax.geometry.boxes import boxes_to_quads
from deepocr_jax.infer.buckets import STRIDE as CANVAS_STRIDE
from deepocr_jax.infer.looks import make_look_net
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.models.text_axes import STRIDE
from deepocr_jax.postprocess.axis_votes import LEAST_SURENESS, prevailing_axis
from deepocr_jax.synth.pages import Pages, make_atlas, read_photos, synthesize_pages

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


def draw_maps(image: np.ndarray, result: Any) -> np.ndarray:
    """An image [h, w, 3] with its words, and with its maps: [h, 4 w, 3].

    Args:
        image: uint8 RGB.
        result: What `apply_dl_model` gives for it, with a detector by score maps.

    Returns:
        The words that were found; characters; links; the direction of reading as a hue, red to the
        right, green up, cyan to the left, violet down.
    """
    height, width = image.shape[:2]
    box = result["words"]
    columns = [np.asarray(box[k]) for k in ("row", "col", "phi", "length1", "length2")]
    words = image.copy()
    for quad in boxes_to_quads(np.column_stack(columns)):
        cv2.polylines(
            words, [np.rint(quad[:, ::-1]).astype(np.int32)], True, _GREEN, 1, cv2.LINE_AA
        )
    maps = result["score_maps"]
    gray = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) / 255
    score = maps[..., :2].max(axis=-1)
    turn = np.mod(np.arctan2(maps[..., 2], maps[..., 3]) / (2 * np.pi), 1)
    layers = [(matplotlib.colormaps["jet"](maps[..., k])[..., :3], 0.6) for k in (0, 1)]
    layers += [(matplotlib.colormaps["hsv"](turn)[..., :3], np.clip(2 * score, 0, 1)[..., None])]
    panels = [words / 255]
    for colour, cover in layers:
        layer = np.concatenate([colour, np.broadcast_to(cover, (*score.shape, 1))], axis=-1)
        # The maps cover the canvas, which is the image and what was added to its end.
        scale = max(height, width) / max(score.shape)
        layer = cv2.resize(layer, None, fx=scale, fy=scale)[:height, :width]
        panels.append(gray + layer[..., 3:] * (layer[..., :3] - gray))
    return np.rint(255 * np.hstack(panels)).astype(np.uint8)


def draw_looks(images: list[np.ndarray], name: str) -> list[np.ndarray]:
    """Images with strokes along the axes that the network of text axes `name` sees.

    A stroke is as long as a place is sure to hold text; on top the axis of the whole image.
    """
    model = ocr.read_dl_model(name).checkpoint
    net = make_look_net(model, resolve_devices("cpu"))
    drawn = []
    for image in images:
        canvas = np.pad(image, [(0, -side % CANVAS_STRIDE) for side in image.shape[:2]] + [(0, 0)])
        (vectors,) = np.asarray(net.replicas[0](canvas[None]))
        sureness = np.hypot(vectors[..., 0], vectors[..., 1])
        angles = np.arctan2(vectors[..., 1], vectors[..., 0]) / 2
        picture = (255 - (255 - image.repeat(2, axis=0).repeat(2, axis=1)) // 2).astype(np.uint8)
        for row, col in np.argwhere(sureness >= LEAST_SURENESS):
            centre = 2 * STRIDE * (np.array([col, row]) + 0.5)
            angle = angles[row, col]
            reach = STRIDE * sureness[row, col] * np.array([np.cos(angle), -np.sin(angle)])
            ends = np.rint([centre - reach, centre + reach]).astype(np.int32)
            cv2.polylines(picture, [ends], False, _RED, 1, cv2.LINE_AA)
        axis = prevailing_axis(vectors)
        told = "no axis" if axis is None else f"{np.rad2deg(axis):.0f} degrees"
        cv2.putText(picture, told, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, _RED, 2, cv2.LINE_AA)
        drawn.append(picture)
    return drawn


def make_pages(args: argparse.Namespace) -> Pages:
    """Synthetic pages as the command line asks for."""
    photos = read_photos(args.photos, args.side, args.side) if args.photos else None
    make = jax.jit(
        partial(
            synthesize_pages,
            count=args.count,
            height=args.side,
            width=args.side,
            scenes=args.scenes,
        )
    )
    return make(make_atlas(args.fonts), jax.random.key(args.seed), photos=photos)


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
    parser.add_argument("--photos", help="grounds of scenes, a file of tools/cut_photos.py")
    parser.add_argument("--boxes", action="store_true", help="draw the cells, three times as large")
    parser.add_argument("--maps", metavar="MODEL", help="draw this detector's words and maps")
    parser.add_argument("--looks", metavar="MODEL", help="draw the axes that this network sees")
    parser.add_argument("--images", nargs="+", help="images to show in place of synthetic pages")
    args = parser.parse_args()
    if args.images:
        tiles = [_squared(ocr.read_image(path), args.side) for path in args.images]
    else:
        pages = make_pages(args)
        tiles = [
            draw_boxes(pages, k) if args.boxes else np.asarray(pages.images[k])
            for k in range(args.count)
        ]
    if args.maps:
        model = ocr.read_dl_model(args.maps)
        results = ocr.apply_dl_model([{"image": tile} for tile in tiles], model)
        tiles = [draw_maps(*pair) for pair in zip(tiles, results, strict=True)]
    if args.looks:
        tiles = draw_looks(tiles, args.looks)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % args.columns)
    rows = [np.hstack(tiles[k : k + args.columns]) for k in range(0, len(tiles), args.columns)]
    cv2.imwrite(args.path, np.vstack(rows)[..., ::-1])


def _squared(image: np.ndarray, side: int) -> np.ndarray:
    """An image scaled to a side and filled up with white."""
    scale = side / max(image.shape[:2])
    size = [max(1, round(n * scale)) for n in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.pad(
        small,
        ((0, side - size[1]), (0, side - size[0]), (0, 0)),
        constant_values=255,
    )


if __name__ == "__main__":
    main()
