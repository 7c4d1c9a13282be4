"""Images searched as they lie when turned; what is found, as if found in the images themselves."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import contain_points
from deepocr_jax.geometry.straightening import Straightened, boxes_of_original, straighten
from deepocr_jax.infer.detector import (
    Detection,
    DetectionSettings,
    DetectorNet,
    inside_image,
    lay_out,
    search,
)
from deepocr_jax.infer.tiles import Layout
from deepocr_jax.postprocess.line_directions import is_along, is_upright


def with_oblique(found: Detection, oblique: Detection, axis: float) -> Detection:
    """What was found in an image, but text along an axis as it was found straightened by that."""
    mine = _some(found, ~is_along(found.boxes, axis))
    theirs = _some(oblique, is_along(oblique.boxes, axis))
    mine = _some(mine, ~_hidden(mine, theirs))
    theirs = _some(theirs, ~_hidden(theirs, mine))
    clearer = oblique.score_maps[..., :1] > found.score_maps[..., :1]
    return replace(
        found,
        score_maps=np.where(clearer, oblique.score_maps, found.score_maps),
        boxes=np.concatenate([mine.boxes, theirs.boxes]),
        box_scores=np.concatenate([mine.box_scores, theirs.box_scores]),
    )


def _some(found: Detection, chosen: np.ndarray) -> Detection:
    return replace(found, boxes=found.boxes[chosen], box_scores=found.box_scores[chosen])


def _hidden(found: Detection, other: Detection) -> np.ndarray:
    """Which boxes lie where another detection of the image has one that is as sure: [n] bool."""
    same = contain_points(found.boxes, other.boxes[:, :2])
    same &= contain_points(other.boxes, found.boxes[:, :2]).T
    return np.any(same & (other.box_scores >= found.box_scores[:, None]), axis=1)


def turn_for(axis: float | None) -> float | None:
    """The angle by which an image is turned for its axis, None: it stays as it is.

    By whole quarters if its text then lies about upright.
    """
    if axis is None or is_upright(axis):
        return None
    quarter = np.round(axis / (np.pi / 2)) * (np.pi / 2)
    return quarter if is_upright(axis - quarter) else axis


def search_turned(
    images: Sequence[np.ndarray],
    turns: Sequence[float | None],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None,
) -> list[Detection]:
    """Detections in images, each searched as it lies when turned by an angle, if there is one."""
    run = pool.map if pool else map

    def turned(image: np.ndarray, turn: float | None) -> Straightened | None:
        return None if turn is None else straighten(image, turn)

    def turned_back(
        image: np.ndarray, straight: Straightened | None, found: Detection
    ) -> Detection:
        if straight is None:
            return found
        return _turned_back(image, straight, found, lay_out(image, net, settings))

    straight = list(run(turned, images, turns))
    shown = [i if s is None else s.image for i, s in zip(images, straight, strict=True)]
    return list(run(turned_back, images, straight, search(shown, net, settings, pool)))


def _turned_back(
    image: np.ndarray, straight: Straightened, found: Detection, layout: Layout
) -> Detection:
    """What was found in a straightened image, as if it had been found in the image itself."""
    boxes = boxes_of_original(found.boxes, straight)
    inside = inside_image(boxes, image)
    return replace(
        found,
        canvas=layout.canvas,
        row_factor=layout.row_factor,
        col_factor=layout.col_factor,
        score_maps=_maps_of_canvas(found, straight, layout),
        boxes=boxes[inside],
        box_scores=found.box_scores[inside],
        axis=straight.axis,
    )


def _maps_of_canvas(found: Detection, straight: Straightened, layout: Layout) -> np.ndarray:
    """The maps of a straightened image as they lie on the canvas of the image itself."""
    height, width = (round(side * found.map_factor) for side in layout.canvas.shape[:2])
    to_image = _scaling(layout.col_factor, layout.row_factor, found.map_factor)
    to_maps = _scaling(found.col_factor, found.row_factor, found.map_factor)
    turn = np.vstack([straight.matrix, [0, 0, 1]])
    source = (to_maps @ turn @ np.linalg.inv(to_image))[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    maps = cv2.warpAffine(found.score_maps, source, (width, height), flags=flags)
    maps = maps.reshape(height, width, -1)
    if found.are_words:
        sin, cos = maps[..., 2].copy(), maps[..., 3].copy()
        turn_sin, turn_cos = np.sin(straight.axis), np.cos(straight.axis)
        maps[..., 2] = sin * turn_cos + cos * turn_sin
        maps[..., 3] = cos * turn_cos - sin * turn_sin
    return maps


def _scaling(col_factor: float, row_factor: float, map_factor: float) -> np.ndarray:
    """[3, 3] from (x, y) in an image to (x, y) in its maps; pixel centres are at whole numbers."""
    x, y = col_factor * map_factor, row_factor * map_factor
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])
