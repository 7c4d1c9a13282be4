"""Text probability map -> rotated boxes on the device, as `postprocess.db_regions` on the host.

Components by hooking and pointer jumping (Shiloach and Vishkin, J. Algorithms 3, 1982); a box is
the smallest of rectangles in many directions around its component. Unlike contours, components have
no holes, so the inside of a frame is no region.
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
# The ends of the components' rows, which lie on their hulls.
MAX_ENDS = 32768
# Directions that are tried around the best so far, in degrees: so many to each side, so far apart.
COARSE, FINER = (15, 3.0), ((6, 0.5), (5, 0.1), (5, 0.02), (5, 0.004))
# The extent of numbers that no component has.
_FAR = 1e9


class Regions(NamedTuple):
    """What a program finds in a map.

    Attributes:
        boxes: [MAX_COMPONENTS, 5] float32 (row, col, phi, length1, length2) in map pixels.
        scores: [MAX_COMPONENTS] mean probability.
        kept: [MAX_COMPONENTS] whether this is a region.
        components: How many components there were; beyond `MAX_COMPONENTS` some are lost.
        ends: How many ends of rows there were; beyond `MAX_ENDS` some are lost.
    """

    boxes: jax.Array
    scores: jax.Array
    kept: jax.Array
    components: jax.Array
    ends: jax.Array


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
        None where there is more than the program has room for: then the host has to find them.
    """
    limits = [params.min_pixel_score, params.min_region_score]
    limits += [params.unclip_ratio, params.min_side_px]
    found = jax.device_get(finder(scores, np.array(limits, np.float32)))
    if found.components > MAX_COMPONENTS or found.ends > MAX_ENDS:
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
    size = jnp.maximum(_sums(text.astype(jnp.float32), numbers), 1.0)
    score = _sums(jnp.where(text, scores, 0.0), numbers) / size
    points, owners, ends = _row_ends(numbers, text)
    boxes = _directed(_smallest_rectangles(points, owners))
    sides = 2 * boxes[:, 3:].min(axis=1)
    area, around = 4 * boxes[:, 3] * boxes[:, 4], 4 * (boxes[:, 3] + boxes[:, 4])
    grow = area * unclip_ratio / jnp.maximum(around, 1e-6)
    kept = (jnp.arange(MAX_COMPONENTS) < count) & (sides >= min_side)
    kept &= (score >= min_region) & (sides + 2 * grow >= min_side + 2)
    boxes = boxes.at[:, 3:].add(grow[:, None])
    # The dilation moved the centres by half a pixel.
    return Regions(boxes.at[:, :2].add(-0.5), score, kept, count, ends)


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


def _row_ends(numbers: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """First and last pixels of the mask's runs: places (x, y), components, and their count."""
    height, width = mask.shape
    padded = jnp.pad(mask, ((0, 0), (1, 1)))
    is_end = mask & ~(padded[:, :-2] & padded[:, 2:])
    (at,) = jnp.nonzero(is_end.ravel(), size=MAX_ENDS, fill_value=height * width)
    points = jnp.stack([at % width, at // width], axis=1).astype(jnp.float32)
    return points, jnp.append(numbers, MAX_COMPONENTS)[at], is_end.sum()


def _smallest_rectangles(points: jax.Array, owners: jax.Array) -> jax.Array:
    """The smallest rectangle around each component's points: [MAX_COMPONENTS, 5].

    The first side lies along the third entry, in [-pi / 2, pi / 2] and beyond it by less than the
    finer steps.
    """
    axis = jnp.zeros(MAX_COMPONENTS + 1)
    for count, degrees in (COARSE, *FINER):
        # Rectangles have the same sides after a quarter turn.
        shifts = jnp.deg2rad(degrees) * jnp.arange(-count, count + 1)
        low, high = _extents(points, owners, axis, shifts)
        areas = jnp.prod(high - low, axis=-1)
        axis = axis + shifts[jnp.argmin(areas, axis=1)]
    low, high = (x[:, 0] for x in _extents(points, owners, axis, jnp.zeros(1)))
    (x, y), (half1, half2) = ((low + high) / 2).T, ((high - low) / 2).T
    cos, sin = jnp.cos(axis), jnp.sin(axis)
    row, col = x * sin + y * cos, x * cos - y * sin
    return jnp.stack([row, col, -axis, half1, half2], axis=1)[:-1]


def _extents(
    points: jax.Array, owners: jax.Array, axis: jax.Array, shifts: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Least and greatest places of the components' points along directions and across them.

    Args:
        points: [p, 2] (x, y).
        owners: [p] their components.
        axis: [c] a direction of each component, clockwise, as rows grow downwards.
        shifts: [k] added to it.

    Returns:
        [c, k, 2] each; 0 for components without points.
    """
    angles = axis[owners][:, None] + shifts
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    x, y = points[:, :1], points[:, 1:]
    places = jnp.stack([x * cos + y * sin, y * cos - x * sin], axis=-1)
    both = jnp.concatenate([places, -places], axis=-1)
    greatest = jax.ops.segment_max(both, owners, MAX_COMPONENTS + 1)
    greatest = jnp.where(jnp.abs(greatest) < _FAR, greatest, 0.0)
    return -greatest[..., 2:], greatest[..., :2]


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
