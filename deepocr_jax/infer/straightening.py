"""Images -> text regions or words; where text lies at an angle, found on the image straightened.

Detectors know text along the rows best. What one finds in a turned image tells by which angle it is
turned, so such an image is searched once more as it would lie upright; others are searched once.
Where it tells no angle, the image is searched turned by a quarter as well: a few words along the
columns may not be found at all. Where much text lies at an angle to the rest, that is searched as
it would lie upright, too.

Or a look at each image, shown small, tells the angle before: then turned images are searched once,
too, but for those of which what is found contradicts the look.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from deepocr_jax.infer.detector import Detection, DetectionSettings, DetectorNet, search
from deepocr_jax.infer.looks import LookNet, look_at
from deepocr_jax.infer.turned_search import search_turned, turn_for, with_oblique
from deepocr_jax.postprocess.line_directions import (
    direction_votes,
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
    looks: LookNet | None = None,
) -> list[Detection]:
    """Finds the text of images; see `detector.search`, which finds it as it lies.

    Args:
        images: As there.
        net: As there.
        settings: As there.
        pool: As there.
        orientation_rad: Reading direction, if it is known; None: found out.
        looks: Tells along which axis images read, where `settings.look` asks for it.
    """
    known = orientation_rad is not None
    if not settings.straighten or (known and is_upright(orientation_rad)):
        return search(images, net, settings, pool)
    if known:
        return search_turned(images, [orientation_rad] * len(images), net, settings, pool)
    if settings.look and looks is not None:
        return _detect_after_looks(images, net, settings, pool, looks)

    def search_again(axes: Mapping[int, float]) -> dict[int, Detection]:
        """What tells an angle again, of some images as they lie when turned by their axes."""
        some = [images[i] for i in axes]
        again = search_turned(some, list(axes.values()), net, settings, pool)
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
    found |= {i: with_oblique(found[i], x, oblique[i]) for i, x in again.items()}
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
        i: turn_for(axis) or 0.0
        for i, axis in sure.items()
        if not is_upright(axis - (found[i].axis or 0.0))
    }


def _oblique(found: Mapping[int, Detection]) -> dict[int, float]:
    """The axes of those of some numbered images much of whose text lies at an angle to the rest."""
    axes = {i: oblique_axis(x.boxes, x.box_scores, x.axis or 0.0) for i, x in found.items()}
    return {i: axis for i, axis in axes.items() if axis is not None}


def _detect_after_looks(
    images: Sequence[np.ndarray],
    net: DetectorNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None,
    looks: LookNet,
) -> list[Detection]:
    def search_some(turns: Mapping[int, float | None]) -> dict[int, Detection]:
        some = [images[i] for i in turns]
        again = search_turned(some, list(turns.values()), net, settings, pool)
        return dict(zip(turns, again, strict=True))

    seen = look_at(images, looks, settings, pool)
    found = search_some({i: turn_for(x.axis) for i, x in enumerate(seen)})
    again = search_some(_contradictions(found))
    found |= {i: x for i, x in again.items() if _is_clearer(x, found[i])}
    oblique = {i: x.oblique for i, x in enumerate(seen) if x.oblique is not None}
    again = search_some(oblique)
    found |= {i: with_oblique(found[i], x, oblique[i]) for i, x in again.items()}
    return [found[i] for i in range(len(images))]


def _contradictions(found: Mapping[int, Detection]) -> dict[int, float | None]:
    """The angles by which to turn those of some numbered images that do not lie upright yet.

    Across, where something was found that tells no angle: a few words along the columns.
    """
    turns = {}
    for i, x in found.items():
        axis, searched = _axis(x), x.axis or 0.0
        if axis is None and len(x.boxes):
            turns[i] = turn_for(searched + np.pi / 2)
        elif axis is not None and not is_upright(axis - searched):
            turns[i] = turn_for(axis)
    return turns


def _is_clearer(found: Detection, other: Detection) -> bool:
    """Whether a detection of an image is to be taken instead of one that contradicts the look."""
    return _axis(found) is not None and (
        _axis(other) is not None or _length(found) > _length(other)
    )


def _length(found: Detection) -> float:
    """Of all that was found, as far as it is sure."""
    return float(found.boxes[:, 3] @ found.box_scores)
