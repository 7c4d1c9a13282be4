"""Images -> text regions or words; where text lies at an angle, found on the image straightened.

Detectors know text along the rows best. What one finds in a turned image tells by which angle it is
turned, so such an image is searched once more as it would lie upright; others are searched once.
Where it tells no angle, the image is searched turned by a quarter as well: a few words along the
columns may not be found at all. Where much text lies at an angle to the rest, that is searched as
it would lie upright, too.
"""

from collections.abc import Mapping, Sequence
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
from deepocr_jax.postprocess.line_directions import (
    direction_votes,
    is_along,
    is_upright,
    oblique_axis,
    prevailing_axis,
)

# What is found on the straightened image may tell another angle: on the image as it lies, short
# words below each other can be taken for lines across.
MOST_TURNS = 2


def detect(
    images: Sequence[np.ndarray],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None = None,
    orientation_rad: float | None = None,
) -> list[Detection]:
    """Finds the text of images; see `detector.search`, which finds it as it lies.

    Args:
        images: As there.
        net: As there.
        settings: As there.
        pool: As there.
        orientation_rad: Reading direction, if it is known; None: found out.
    """
    known = orientation_rad is not None
    if not settings.straighten or (known and is_upright(orientation_rad)):
        return search(images, net, settings, pool)
    if known:
        return _search_straightened(images, [orientation_rad] * len(images), net, settings, pool)

    def search_again(axes: Mapping[int, float]) -> dict[int, Detection]:
        """What tells an angle again, of some images as they lie when turned by their axes."""
        some = [images[i] for i in axes]
        again = _search_straightened(some, list(axes.values()), net, settings, pool)
        return {i: x for i, x in zip(axes, again, strict=True) if _axis(x) is not None}

    found = dict(enumerate(search(images, net, settings, pool)))
    sideways = search_again({i: np.pi / 2 for i, x in found.items() if _axis(x) is None})
    found |= {i: x for i, x in sideways.items() if _votes(x) > _votes(found[i])}
    turned = _turned(found)
    for _ in range(MOST_TURNS):
        again = search_again(turned)
        # Words below each other, taken for a line across them: along it nothing is found.
        across = {i: axis + np.pi / 2 for i, axis in turned.items() if i not in again}
        again |= search_again(across)
        found |= again
        turned = _turned(again)
    oblique = _oblique(found)
    again = search_again(oblique)
    found |= {i: _with_oblique(found[i], x, oblique[i]) for i, x in again.items()}
    return [found[i] for i in range(len(images))]


def _axis(found: Detection) -> float | None:
    return prevailing_axis(found.boxes, found.box_scores)


def _votes(found: Detection) -> float:
    return float(direction_votes(found.boxes, found.box_scores).sum())


def _turned(found: Mapping[int, Detection]) -> dict[int, float]:
    """The axes of those of some numbered images that do not lie upright as they were searched."""
    axes = {i: _axis(x) for i, x in found.items()}
    sure = {i: axis for i, axis in axes.items() if axis is not None}
    return {
        i: _turn_for(axis)
        for i, axis in sure.items()
        if not is_upright(axis - (found[i].axis or 0.0))
    }


def _oblique(found: Mapping[int, Detection]) -> dict[int, float]:
    """The axes of those of some numbered images much of whose text lies at an angle to the rest."""
    axes = {i: oblique_axis(x.boxes, x.box_scores, x.axis or 0.0) for i, x in found.items()}
    return {i: axis for i, axis in axes.items() if axis is not None}


def _with_oblique(found: Detection, oblique: Detection, axis: float) -> Detection:
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


def _turn_for(axis: float) -> float:
    """The angle to turn by for an axis: by whole quarters if its text then lies about upright."""
    quarter = np.round(axis / (np.pi / 2)) * (np.pi / 2)
    return quarter if is_upright(axis - quarter) else axis


def _search_straightened(
    images: Sequence[np.ndarray],
    axes: Sequence[float],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None,
) -> list[Detection]:
    """Detections in images, of which each is searched as it lies when turned by its axis."""
    run = pool.map if pool else map
    straight = list(run(straighten, images, axes))
    found = search([x.image for x in straight], net, settings, pool)

    def turn_back(image: np.ndarray, from_: Straightened, detection: Detection) -> Detection:
        return _turned_back(image, from_, detection, lay_out(image, net, settings))

    return list(run(turn_back, images, straight, found))


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
