"""Text probability map -> rotated boxes on the device, as `postprocess.db_regions` on the host.

Components by hooking and pointer jumping (Shiloach and Vishkin, J. Algorithms 3, 1982); a box lies
along the principal axis of its component's pixels, or along the image's axes where that box is
smaller. Unlike contours, components have no holes, so a frame's inside is no region.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.programs import Device
from deepocr_jax.postprocess.db_regions import RegionParams

MAX_COMPONENTS = 4096
# The extent of numbers that no component has.
_FAR = 1e9


class Regions(NamedTuple):
    """What a program finds in a map.

    Attributes:
        boxes: [MAX_COMPONENTS, 5] float32 (row, col, phi, length1, length2) in map pixels.
        scores: [MAX_COMPONENTS] mean probability.
        kept: [MAX_COMPONENTS] whether this is a region.
        components: How many components there were; beyond `MAX_COMPONENTS` some are lost.
    """

    boxes: jax.Array
    scores: jax.Array
    kept: jax.Array
    components: jax.Array


def make_region_finder(device: Device) -> Program:
    """The program of a device: scores [h, w] and thresholds [4] -> `Regions`."""
    return Program(_regions, {}, device, f"regions {MAX_COMPONENTS}")


def find_regions_on_device(
    scores: jax.Array | np.ndarray, params: RegionParams, finder: Program
) -> tuple[np.ndarray, np.ndarray] | None:
    """Boxes [n, 5] and scores [n] of a map's text regions, as `find_regions` gives them.

    Args:
        scores: [h, w] float32 in [0, 1], on the finder's device or on the host.
        params: Thresholds.
        finder: Of `make_region_finder`.

    Returns:
        None where there are more components than the program has room for: then the host has to
        find them.
    """
    limits = [params.min_pixel_score, params.min_region_score]
    limits += [params.unclip_ratio, params.min_side_px]
    found = jax.device_get(finder(scores, np.array(limits, np.float32)))
    if found.components > MAX_COMPONENTS:
        return None
    kept = np.flatnonzero(found.kept)
    if len(kept) > params.max_regions:
        areas = found.boxes[kept, 3] * found.boxes[kept, 4]
        kept = np.sort(kept[np.argsort(-areas, kind="stable")[: params.max_regions]])
    return found.boxes[kept].astype(np.float64), found.scores[kept].astype(np.float64)


def _regions(_: Any, scores: jax.Array, limits: jax.Array) -> Regions:
    min_pixel, min_region, unclip_ratio, min_side = limits
    text = scores > min_pixel
    # A dilation by 2 x 2 pixels, to the right and down.
    text = text | _shifted(text, 1, 0)
    text = text | _shifted(text, 0, 1)
    numbers, count = _number_components(connected_components(text), text)
    size, boxes = _boxes(numbers, text)
    score = _sums(jnp.where(text, scores, 0.0), numbers) / size
    sides = 2 * boxes[:, 3:].min(axis=1)
    area, around = 4 * boxes[:, 3] * boxes[:, 4], 4 * (boxes[:, 3] + boxes[:, 4])
    grow = area * unclip_ratio / jnp.maximum(around, 1e-6)
    kept = (jnp.arange(MAX_COMPONENTS) < count) & (sides >= min_side)
    kept &= (score >= min_region) & (sides + 2 * grow >= min_side + 2)
    boxes = boxes.at[:, 3:].add(grow[:, None])
    # The dilation moved the centres by half a pixel.
    return Regions(boxes.at[:, :2].add(-0.5), score, kept, count)


def _shifted(mask: jax.Array, rows: int, cols: int) -> jax.Array:
    """The mask moved down and to the right."""
    height, width = mask.shape
    return jnp.pad(mask, ((rows, 0), (cols, 0)))[:height, :width]


def connected_components(mask: jax.Array) -> jax.Array:
    """Labels of the 8-connected components: [h, w] bool -> [h, w] int32.

    A pixel's label is the flat index of one pixel of its component, the same for all of them; that
    of the ground is h * w.
    """
    height, width = mask.shape
    ground = height * width
    own = jnp.arange(ground, dtype=jnp.int32).reshape(height, width)
    inside = jnp.append(mask.ravel(), False)

    def hook(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        labels, _ = state
        grid = labels[:-1].reshape(height, width)
        least = lax.reduce_window(grid, np.int32(ground), lax.min, (3, 3), (1, 1), "SAME")
        least = jnp.append(jnp.where(mask, least, ground).ravel(), ground)
        # A component's root takes the least label that any of its pixels sees.
        hooked = labels.at[labels].min(least)
        hooked = jnp.where(inside, jnp.minimum(hooked, least), ground)
        jumped = hooked[hooked[hooked]]
        return jumped, (jumped != labels).any()

    first = jnp.append(jnp.where(mask, own, ground).ravel(), ground)
    labels, _ = lax.while_loop(lambda s: s[1], hook, (first, jnp.bool_(True)))
    return labels[:-1].reshape(height, width)


def _number_components(labels: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Components numbered from 0 on, [h * w], and their count; `MAX_COMPONENTS` is nobody."""
    flat, inside = labels.ravel(), mask.ravel()
    is_root = inside & (flat == jnp.arange(flat.size))
    ranks = jnp.cumsum(is_root) - 1
    numbers = jnp.where(inside, ranks[jnp.minimum(flat, flat.size - 1)], MAX_COMPONENTS)
    return jnp.minimum(numbers, MAX_COMPONENTS).astype(jnp.int32), is_root.sum()


def _sums(values: jax.Array, numbers: jax.Array) -> jax.Array:
    return jax.ops.segment_sum(values.ravel(), numbers, MAX_COMPONENTS + 1)[:-1]


def _boxes(numbers: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Pixels and box of each component: [MAX_COMPONENTS], [MAX_COMPONENTS, 5]."""
    rows, cols = (lax.broadcasted_iota(jnp.float32, mask.shape, axis).ravel() for axis in range(2))
    size = jnp.maximum(_sums(mask.astype(jnp.float32), numbers), 1.0)
    mean_row, mean_col = _sums(rows, numbers) / size, _sums(cols, numbers) / size
    ends = jnp.append(mean_row, 0.0), jnp.append(mean_col, 0.0)
    y, x = rows - ends[0][numbers], cols - ends[1][numbers]
    xx, yy, xy = (_sums(v, numbers) for v in (x * x, y * y, x * y))
    axis = jnp.arctan2(2 * xy, xx - yy) / 2  # clockwise, as rows grow downwards
    along = _rectangle(axis, y, x, numbers)
    upright = _rectangle(jnp.zeros_like(axis), y, x, numbers)
    smaller = (upright[:, 3] * upright[:, 4] <= along[:, 3] * along[:, 4])[:, None]
    boxes = _directed(jnp.where(smaller, upright, along))
    centre = jnp.stack([mean_row, mean_col], axis=1) + boxes[:, :2]
    return size, jnp.concatenate([centre, boxes[:, 2:]], axis=1)


def _rectangle(axis: jax.Array, y: jax.Array, x: jax.Array, numbers: jax.Array) -> jax.Array:
    """The rectangle along an axis around each component: [n, 5], its centre from the mean on."""
    cos, sin = jnp.cos(axis), jnp.sin(axis)
    c, s = (jnp.append(v, 0.0)[numbers] for v in (cos, sin))
    centre, half = [], []
    for place in (x * c + y * s, y * c - x * s):
        low = -jax.ops.segment_max(-place, numbers, MAX_COMPONENTS + 1)[:-1]
        high = jax.ops.segment_max(place, numbers, MAX_COMPONENTS + 1)[:-1]
        low, high = jnp.clip(low, -_FAR, _FAR), jnp.clip(high, -_FAR, _FAR)  # empty ones
        centre.append((low + high) / 2)
        half.append((high - low) / 2)
    row = centre[0] * sin + centre[1] * cos
    col = centre[0] * cos - centre[1] * sin
    return jnp.stack([row, col, -axis, *half], axis=1)


def _directed(boxes: jax.Array) -> jax.Array:
    """Boxes with the reading direction that `db_regions` gives them."""
    row, col, phi, length1, length2 = boxes.T
    upright = length2 > length1
    phi = phi + jnp.where(upright, jnp.pi / 2, 0.0)
    length1, length2 = jnp.maximum(length1, length2), jnp.minimum(length1, length2)
    phi = jnp.pi / 2 - jnp.mod(jnp.pi / 2 - phi, jnp.pi)
    # Nearly square: the side nearer to the horizontal is the line.
    swap = (length1 < 1.5 * length2) & (jnp.abs(phi) > jnp.pi / 4)
    # A vertical line reads downwards.
    down = ~swap & (length1 >= 1.5 * length2) & (jnp.abs(phi - jnp.pi / 2) < jnp.deg2rad(1.0))
    phi = phi - jnp.where(swap, jnp.sign(phi) * jnp.pi / 2, 0.0) - jnp.where(down, jnp.pi, 0.0)
    phi = jnp.where(phi <= -jnp.pi, phi + 2 * jnp.pi, phi)
    first, second = jnp.where(swap, length2, length1), jnp.where(swap, length1, length2)
    return jnp.stack([row, col, phi, first, second], axis=1)
