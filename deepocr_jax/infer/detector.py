"""Images -> score maps and boxes: text regions, or words, as the detector's maps allow."""

import functools
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.device_regions import find_regions_on_device, make_region_finder
from deepocr_jax.infer.programs import Device, with_fast_products
from deepocr_jax.infer.tiles import (
    Layout,
    cut_tiles,
    detection_batch_size,
    lay_out_scaled,
    lay_out_tiled,
    merge_tiles,
    run_tiles,
)
from deepocr_jax.models.registry import SCORE_MAP_KIND, make_model, spec_from_dict
from deepocr_jax.models.score_maps import STRIDE, to_score_maps
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words
from deepocr_jax.preprocess import Preprocess, normalize


@dataclass(frozen=True)
class DetectorNet:
    """A detector ready to run.

    Attributes:
        platform: Of its devices.
        replicas: One a device: canvases -> maps.
        finder: Text probabilities -> regions, on the first device.
        finds_words: Whether it finds words with their directions, by score maps, and not regions.
    """

    platform: str
    replicas: tuple[Program, ...]
    finder: Program
    finds_words: bool = False

    @property
    def stride(self) -> int:
        """Canvas pixels a map pixel, along each axis."""
        return STRIDE if self.finds_words else 1


@dataclass(frozen=True)
class DetectionSettings:
    """How text is searched.

    Attributes:
        height, width: Of the canvas.
        tiling, tiling_overlap: Whether a larger image is cut into canvases, and what they share.
        batch_size: Canvases a batch; 0: chosen for the device.
        straighten: Whether images whose text lies at an angle are searched as they lie upright.
        look: Whether a look at each image tells along which axis it reads, before it is searched.
        boxes_on_device: Whether boxes of regions are formed on the device rather than on the host,
            which forms those of tiled images in any case.
        regions: Thresholds of detectors with a text probability.
        words: Thresholds of detectors with score maps.
    """

    height: int = 1024
    width: int = 1024
    tiling: bool = False
    tiling_overlap: int = 60
    batch_size: int = 0
    straighten: bool = True
    look: bool = False
    boxes_on_device: bool = False
    regions: RegionParams = RegionParams()
    words: ScoreMapParams = ScoreMapParams()


@dataclass(frozen=True)
class Detection:
    """What the detector saw and found in one image.

    Attributes:
        canvas: [h, w, 3] uint8, the image that the network saw (padded).
        score_maps: [h', w', c] float32.
        row_factor: Canvas rows per image row.
        col_factor: Canvas columns per image column.
        map_factor: Map pixels per canvas pixel.
        boxes: [n, 5] regions or words in image coordinates.
        box_scores: [n] mean text probability, or best character score.
        are_words: Whether the boxes are words with their directions of reading.
        axis: By which an image was turned that was straightened, so that most of its text lay about
            along the rows; else None.
    """

    canvas: np.ndarray
    score_maps: np.ndarray
    row_factor: float
    col_factor: float
    map_factor: float
    boxes: np.ndarray
    box_scores: np.ndarray
    are_words: bool
    axis: float | None = None


def make_detector_net(
    model: ModelCheckpoint, devices: tuple[Device, ...], dtype: str = "float32"
) -> DetectorNet:
    """Puts a detector onto its devices."""
    replicas = make_replicas(_maps, model, devices, dtype)
    finder = make_region_finder(devices[0])
    return DetectorNet(devices[0].platform, replicas, finder, model.kind == SCORE_MAP_KIND)


def make_replicas(
    run: Callable[..., jax.Array], model: ModelCheckpoint, devices: tuple[Device, ...], dtype: str
) -> tuple[Program, ...]:
    """A model's programs, one a device: canvases -> maps.

    Args:
        run: (kind, spec, dtype, preprocess, variables, canvases) -> maps; pure.
        model: The model.
        devices: Of one platform.
        dtype: In which it computes.
    """
    spec = spec_from_dict(model.kind, model.spec)
    maps = functools.partial(run, model.kind, spec, dtype, model.preprocess)
    identity = repr([model.kind, spec, dtype, model.preprocess])
    variables = with_fast_products(model.variables, devices[0].platform)
    return tuple(Program(maps, variables, device, identity) for device in devices)


def _maps(
    kind: str, spec: Any, dtype: str, preprocess: Preprocess, variables: Any, canvas: jax.Array
) -> jax.Array:
    network: Any = make_model(kind, spec, jnp.dtype(dtype))
    found = network.apply(variables, normalize(canvas, preprocess))
    return to_score_maps(found) if kind == SCORE_MAP_KIND else found[..., None]


def search(
    images: Sequence[np.ndarray],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Detection]:
    """Finds the text of images as they lie.

    Args:
        images: [h, w, 3] uint8 RGB each.
        net: The detector.
        settings: Canvas and thresholds.
        pool: Works on several images side by side, if given.

    Returns:
        One detection an image, independent of the other images.
    """
    run = pool.map if pool else map
    layouts = list(run(functools.partial(lay_out, net=net, settings=settings), images))
    tiles = [tile for layout in layouts for tile in cut_tiles(layout)]
    size = detection_batch_size(settings.batch_size, net.platform)
    of_tiles = iter(run_tiles(tiles, net.replicas, size, pool))
    maps = [
        merge_tiles(x, list(itertools.islice(of_tiles, len(x.corners))), net.stride)
        for x in layouts
    ]

    def finish(index: int) -> Detection:
        return _detection(images[index], layouts[index], maps[index], net, settings)

    return list(run(finish, range(len(images))))


def lay_out(image: np.ndarray, net: DetectorNet, settings: DetectionSettings) -> Layout:
    """How an image is shown to a detector."""
    limit = (settings.height, settings.width)
    if settings.tiling:
        return lay_out_tiled(image, limit, settings.tiling_overlap, net.stride)
    return lay_out_scaled(image, limit)


def _detection(
    image: np.ndarray,
    layout: Layout,
    maps: np.ndarray,
    net: DetectorNet,
    settings: DetectionSettings,
) -> Detection:
    if net.finds_words:
        boxes, box_scores = find_words(maps, settings.words)
    else:
        boxes, box_scores = _find_regions(maps[..., 0], net, settings)
    boxes = scale_boxes(boxes, net.stride / layout.row_factor, net.stride / layout.col_factor)
    inside = inside_image(boxes, image)
    return Detection(
        layout.canvas,
        maps,
        layout.row_factor,
        layout.col_factor,
        1 / net.stride,
        boxes[inside],
        box_scores[inside],
        net.finds_words,
    )


def inside_image(boxes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Which boxes are the image's: [n] bool; those with their centre in the padding are not."""
    row, col = boxes[:, 0], boxes[:, 1]
    return (row >= 0) & (row <= image.shape[0] - 1) & (col >= 0) & (col <= image.shape[1] - 1)


def _find_regions(
    scores: np.ndarray, net: DetectorNet, settings: DetectionSettings
) -> tuple[np.ndarray, np.ndarray]:
    # Merged maps have any size, for which nothing is compiled.
    if settings.boxes_on_device and not settings.tiling:
        found = find_regions_on_device(scores, settings.regions, net.finder)
        if found is not None:
            return found
    return find_regions(scores, settings.regions)
