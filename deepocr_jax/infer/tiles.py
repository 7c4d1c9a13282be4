"""Images -> canvases and tiles for a detector's network; the tiles' maps -> the canvas' maps."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from deepocr_jax.geometry.crops import resize_image
from deepocr_jax.infer.buckets import CANVAS_STEP, fit_canvas, tile_starts
from deepocr_jax.infer.compiled import Program

ACCELERATOR_BATCH = 8


@dataclass(frozen=True)
class Layout:
    """How one image is shown to the network: a canvas, cut into tiles of one shape.

    Attributes:
        canvas: [h, w, 3] uint8.
        row_factor, col_factor: Canvas pixels per image pixel.
        corners: (row, col) of each tile's first pixel.
        tile: (height, width) of all tiles; the last ones may reach beyond the canvas.
    """

    canvas: np.ndarray
    row_factor: float
    col_factor: float
    corners: list[tuple[int, int]]
    tile: tuple[int, int]


def lay_out_scaled(image: np.ndarray, limit: tuple[int, int], step: int = CANVAS_STEP) -> Layout:
    """The whole image, scaled to fit into (height, width); see `buckets.fit_canvas`."""
    height, width = image.shape[:2]
    scaled, shape = fit_canvas(height, width, *limit, step)
    canvas = pad_image(resize_image(image, *scaled), *shape)
    if canvas is image:  # The result shows the canvas; it must not share memory with the input.
        canvas = image.copy()
    return Layout(canvas, scaled[0] / height, scaled[1] / width, [(0, 0)], shape)


def lay_out_tiled(image: np.ndarray, tile: tuple[int, int], overlap: int, stride: int) -> Layout:
    """Tiles at the image's own scale, whether it is larger than a tile or smaller.

    Corners are multiples of the maps' stride.
    """
    rows, cols = (
        [start // stride * stride for start in tile_starts(side, size, min(overlap, size // 2))]
        for side, size in zip(image.shape[:2], tile, strict=True)
    )
    return Layout(image.copy(), 1.0, 1.0, [(row, col) for row in rows for col in cols], tile)


def cut_tiles(layout: Layout) -> list[np.ndarray]:
    """The canvas' tiles, each [height, width, 3] uint8."""
    height, width = layout.tile
    return [
        pad_image(layout.canvas[top : top + height, left : left + width], height, width)
        for top, left in layout.corners
    ]


def merge_tiles(layout: Layout, maps: Sequence[np.ndarray], stride: int) -> np.ndarray:
    """The canvas' maps [h / stride, w / stride, c]: at each place those of the surest tile.

    Regions are formed on the whole maps, so a word on a seam needs no merging. The first two
    channels, or the only one, are scores.
    """
    shape = [-(-side // stride) for side in layout.canvas.shape[:2]]
    if len(maps) == 1:
        return maps[0][: shape[0], : shape[1]]
    merged = np.zeros((*shape, maps[0].shape[-1]), np.float32)
    for (top, left), found in zip(layout.corners, maps, strict=True):
        part = merged[top // stride :, left // stride :][: found.shape[0], : found.shape[1]]
        found = found[: part.shape[0], : part.shape[1]]
        surer = found[..., :2].max(axis=-1) > part[..., :2].max(axis=-1)
        part[surer] = found[surer]
    return merged


def pad_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pads with gray below and to the right."""
    h, w = image.shape[:2]
    if (h, w) == (height, width):
        return image
    gray = (127, 127, 127)
    return cv2.copyMakeBorder(image, 0, height - h, 0, width - w, cv2.BORDER_CONSTANT, value=gray)


def detection_batch_size(batch_size: int, platform: str) -> int:
    """Images computed together; 0: chosen for the device."""
    return batch_size or (1 if platform == "cpu" else ACCELERATOR_BATCH)


def run_tiles(
    tiles: Sequence[np.ndarray],
    replicas: Sequence[Program],
    batch_size: int,
    pool: ThreadPoolExecutor | None = None,
) -> list[np.ndarray]:
    """[h, w, 3] uint8 each -> maps [h / stride, w / stride, c] float32 each, batched by shape."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, tile in enumerate(tiles):
        by_shape.setdefault(tile.shape, []).append(index)
    size = batch_size
    batches = [m[i : i + size] for m in by_shape.values() for i in range(0, len(m), size)]

    def run(number: int) -> np.ndarray:
        members = batches[number]
        batch = np.zeros((size, *tiles[members[0]].shape), np.uint8)
        for slot, index in enumerate(members):
            batch[slot] = tiles[index]
        return np.asarray(replicas[number % len(replicas)](batch))

    maps: list[np.ndarray] = [np.zeros(0)] * len(tiles)
    outcomes = pool.map(run, range(len(batches))) if pool else map(run, range(len(batches)))
    for members, found in zip(batches, outcomes, strict=True):
        for slot, index in enumerate(members):
            maps[index] = found[slot]
    return maps
