"""Images -> score maps and text regions."""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, Preprocess
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.geometry.crops import resize_image
from deepocr_jax.infer.buckets import fit_canvas, tile_starts
from deepocr_jax.infer.programs import Device, jit_for
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions


@dataclass(frozen=True)
class DetectorNet:
    """A detector ready to run: its program and its variables, one copy a device."""

    program: Any
    replicas: tuple[Any, ...]


@dataclass(frozen=True)
class DetectionSettings:
    """Size of the canvas, tiling, thresholds."""

    height: int = 1024
    width: int = 1024
    tiling: bool = False
    tiling_overlap: int = 60
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
    program = _program(spec, dtype, model.preprocess, devices[0].platform)
    replicas = tuple(jax.device_put(model.variables, device) for device in devices)
    return DetectorNet(program, replicas)


@functools.lru_cache(maxsize=16)
def _program(spec: Any, dtype: str, preprocess: Preprocess, platform: str) -> Any:
    network: Any = make_model("ocr_detection", spec, jnp.dtype(dtype))

    def scores(variables: Any, canvas: jax.Array) -> jax.Array:
        return network.apply(variables, normalize(canvas, preprocess))

    return jit_for(platform, scores)


def normalize(images: jax.Array, preprocess: Preprocess) -> jax.Array:
    """uint8 RGB [..., 3] -> the network's input, float32."""
    if preprocess.channel_order == "bgr":
        images = images[..., ::-1]
    return (images.astype(jnp.float32) - preprocess.mean) / preprocess.deviation


def detect(
    image: np.ndarray, net: DetectorNet, settings: DetectionSettings, slot: int = 0
) -> Detection:
    """Finds the text regions of one image.

    Args:
        image: [h, w, 3] uint8 RGB.
        net: The detector.
        settings: Canvas and thresholds.
        slot: Which of the detector's devices to use, modulo their number.
    """
    height, width = image.shape[:2]
    if settings.tiling and (height > settings.height or width > settings.width):
        canvas, scores = image, _tiled_scores(image, net, settings, slot)
        row_factor = col_factor = 1.0
    else:
        limit = (settings.height, settings.width)
        if settings.tiling:  # No zoom: an image smaller than a tile keeps its size.
            scaled, shape = (height, width), fit_canvas(*limit, *limit)[1]
        else:
            scaled, shape = fit_canvas(height, width, *limit)
        canvas = pad_image(resize_image(image, *scaled), *shape)
        row_factor, col_factor = scaled[0] / height, scaled[1] / width
        scores = run_detector(canvas, net, slot)
    boxes, region_scores = find_regions(scores, settings.regions)
    boxes = scale_boxes(boxes, 1 / row_factor, 1 / col_factor)
    inside = _centre_inside(boxes, height, width)
    return Detection(canvas, scores, row_factor, col_factor, boxes[inside], region_scores[inside])


def pad_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pads with gray below and to the right."""
    h, w = image.shape[:2]
    if (h, w) == (height, width):
        return image
    gray = (127, 127, 127)
    return cv2.copyMakeBorder(image, 0, height - h, 0, width - w, cv2.BORDER_CONSTANT, value=gray)


def run_detector(canvas: np.ndarray, net: DetectorNet, slot: int) -> np.ndarray:
    """[h, w, 3] uint8 -> text probability [h, w] float32, on device `slot`."""
    variables = net.replicas[slot % len(net.replicas)]
    return np.asarray(net.program(variables, canvas[None]))[0]


def _tiled_scores(
    image: np.ndarray, net: DetectorNet, settings: DetectionSettings, slot: int
) -> np.ndarray:
    """The score map of a large image: the maximum over overlapping tiles.

    Regions are formed on the whole map, so a word on a seam needs no merging.
    """
    h, w = settings.height, settings.width
    scores = np.zeros(image.shape[:2], np.float32)
    for top in tile_starts(image.shape[0], h, settings.tiling_overlap):
        for left in tile_starts(image.shape[1], w, settings.tiling_overlap):
            tile = image[top : top + h, left : left + w]
            rows, cols = tile.shape[:2]
            part = scores[top : top + rows, left : left + cols]
            found = run_detector(pad_image(tile, h, w), net, slot)[:rows, :cols]
            np.maximum(part, found, out=part)
    return scores


def _centre_inside(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which boxes have their centre in the image (and not in the padding)."""
    row, col = boxes[:, 0], boxes[:, 1]
    return (row >= 0) & (row <= height - 1) & (col >= 0) & (col <= width - 1)
