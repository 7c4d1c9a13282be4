"""Images -> score maps and text regions."""

import functools
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.geometry.crops import resize_image
from deepocr_jax.infer.buckets import fit_canvas, tile_starts
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.device_regions import find_regions_on_device, make_region_finder
from deepocr_jax.infer.programs import Device, with_fast_products
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions
from deepocr_jax.preprocess import Preprocess, normalize

ACCELERATOR_BATCH = 8


@dataclass(frozen=True)
class DetectorNet:
    """A detector ready to run.

    Attributes:
        platform: Of its devices.
        replicas: One a device: canvases -> text probabilities.
        finder: Text probabilities -> regions, on the first device.
    """

    platform: str
    replicas: tuple[Program, ...]
    finder: Program


@dataclass(frozen=True)
class DetectionSettings:
    """How text is searched.

    Attributes:
        height, width: Of the canvas.
        tiling, tiling_overlap: Whether a larger image is cut into canvases, and what they share.
        batch_size: Canvases a batch; 0: chosen for the device.
        boxes_on_device: Whether boxes are formed on the device rather than on the host, which
            forms those of tiled images in any case.
        regions: Thresholds.
    """

    height: int = 1024
    width: int = 1024
    tiling: bool = False
    tiling_overlap: int = 60
    batch_size: int = 0
    boxes_on_device: bool = False
    regions: RegionParams = RegionParams()


@dataclass(frozen=True)
class Detection:
    """What the detector saw and found in one image.

    Attributes:
        canvas: [h, w, 3] uint8, the image that the network saw (padded).
        scores: [h, w] float32 text probability of the canvas' pixels.
        row_factor: Canvas rows per image row.
        col_factor: Canvas columns per image column.
        boxes: [n, 5] regions in image coordinates, expanded.
        region_scores: [n] mean text probability.
    """

    canvas: np.ndarray
    scores: np.ndarray
    row_factor: float
    col_factor: float
    boxes: np.ndarray
    region_scores: np.ndarray


def make_detector_net(
    model: ModelCheckpoint, devices: tuple[Device, ...], dtype: str = "float32"
) -> DetectorNet:
    """Puts a detector onto its devices."""
    spec = spec_from_dict(model.kind, model.spec)
    platform = devices[0].platform
    scores = functools.partial(_scores, spec, dtype, model.preprocess)
    identity = repr(["detector", spec, dtype, model.preprocess])
    variables = with_fast_products(model.variables, platform)
    replicas = tuple(Program(scores, variables, device, identity) for device in devices)
    return DetectorNet(platform, replicas, make_region_finder(devices[0]))


def _scores(
    spec: Any, dtype: str, preprocess: Preprocess, variables: Any, canvas: jax.Array
) -> jax.Array:
    network: Any = make_model("ocr_detection", spec, jnp.dtype(dtype))
    return network.apply(variables, normalize(canvas, preprocess))


@dataclass(frozen=True)
class _Layout:
    """How one image is shown to the network: a canvas, cut into tiles of one shape."""

    canvas: np.ndarray
    row_factor: float
    col_factor: float
    corners: list[tuple[int, int]]
    tile: tuple[int, int]


def detect(
    images: Sequence[np.ndarray],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Detection]:
    """Finds the text regions of images.

    Args:
        images: [h, w, 3] uint8 RGB each.
        net: The detector.
        settings: Canvas and thresholds.
        pool: Works on several images side by side, if given.

    Returns:
        One detection an image, independent of the other images.
    """
    run = pool.map if pool else map
    layouts = list(run(functools.partial(_lay_out, settings=settings), images))
    tiles = [_tile(layout, corner) for layout in layouts for corner in layout.corners]
    scores = iter(run_tiles(tiles, net, settings.batch_size, pool))
    maps = [_merge_tiles(x, list(itertools.islice(scores, len(x.corners)))) for x in layouts]

    # Merged maps have any size, for which nothing is compiled.
    finder = net.finder if settings.boxes_on_device and not settings.tiling else None

    def finish(index: int) -> Detection:
        return _detection(images[index], layouts[index], maps[index], settings.regions, finder)

    return list(run(finish, range(len(images))))


def _lay_out(image: np.ndarray, settings: DetectionSettings) -> _Layout:
    height, width = image.shape[:2]
    limit = (settings.height, settings.width)
    if settings.tiling:  # No zoom, whether the image is larger than a tile or smaller.
        rows, cols = (
            tile_starts(side, tile, min(settings.tiling_overlap, tile // 2))
            for side, tile in zip((height, width), limit, strict=True)
        )
        corners = [(row, col) for row in rows for col in cols]
        return _Layout(image.copy(), 1.0, 1.0, corners, limit)
    scaled, shape = fit_canvas(height, width, *limit)
    canvas = pad_image(resize_image(image, *scaled), *shape)
    if canvas is image:  # The result shows the canvas; it must not share memory with the input.
        canvas = image.copy()
    return _Layout(canvas, scaled[0] / height, scaled[1] / width, [(0, 0)], shape)


def _tile(layout: _Layout, corner: tuple[int, int]) -> np.ndarray:
    (top, left), (height, width) = corner, layout.tile
    return pad_image(layout.canvas[top : top + height, left : left + width], height, width)


def _merge_tiles(layout: _Layout, scores: list[np.ndarray]) -> np.ndarray:
    """The canvas' score map: the maximum over its tiles.

    Regions are formed on the whole map, so a word on a seam needs no merging.
    """
    if len(scores) == 1:
        height, width = layout.canvas.shape[:2]
        return scores[0][:height, :width]
    merged = np.zeros(layout.canvas.shape[:2], np.float32)
    height, width = layout.tile
    for (top, left), found in zip(layout.corners, scores, strict=True):
        part = merged[top : top + height, left : left + width]
        np.maximum(part, found[: part.shape[0], : part.shape[1]], out=part)
    return merged


def _detection(
    image: np.ndarray,
    layout: _Layout,
    scores: np.ndarray,
    params: RegionParams,
    finder: Program | None,
) -> Detection:
    found = find_regions_on_device(scores, params, finder) if finder else None
    # Without a finder, or where a map has more components than that has room for.
    boxes, region_scores = find_regions(scores, params) if found is None else found
    boxes = scale_boxes(boxes, 1 / layout.row_factor, 1 / layout.col_factor)
    # A region whose centre is in the padding is none of the image.
    row, col = boxes[:, 0], boxes[:, 1]
    inside = (row >= 0) & (row <= image.shape[0] - 1) & (col >= 0) & (col <= image.shape[1] - 1)
    return Detection(
        layout.canvas,
        scores,
        layout.row_factor,
        layout.col_factor,
        boxes[inside],
        region_scores[inside],
    )


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
    tiles: list[np.ndarray],
    net: DetectorNet,
    batch_size: int = 0,
    pool: ThreadPoolExecutor | None = None,
) -> list[np.ndarray]:
    """[h, w, 3] uint8 each -> text probability [h, w] float32 each, batched by shape."""
    size = detection_batch_size(batch_size, net.platform)
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, tile in enumerate(tiles):
        by_shape.setdefault(tile.shape, []).append(index)
    batches = [m[i : i + size] for m in by_shape.values() for i in range(0, len(m), size)]

    def run(number: int) -> np.ndarray:
        members = batches[number]
        batch = np.zeros((size, *tiles[members[0]].shape), np.uint8)
        for slot, index in enumerate(members):
            batch[slot] = tiles[index]
        return np.asarray(net.replicas[number % len(net.replicas)](batch))

    scores: list[np.ndarray] = [np.zeros(0)] * len(tiles)
    outcomes = pool.map(run, range(len(batches))) if pool else map(run, range(len(batches)))
    for members, found in zip(batches, outcomes, strict=True):
        for slot, index in enumerate(members):
            scores[index] = found[slot]
    return scores
