"""Words of pages -> the maps that a detector by differentiable binarization should give.

Shrunk and dilated regions as in Liao et al., arXiv 1911.08947, section 3.5. Words are rotated
rectangles here, for which both are known in closed form: the offset of a rectangle inwards is a
rectangle, and a pixel's distance from the border needs no polygons.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.losses.db import DBTargets
from deepocr_jax.train.page_tiles import join_tiles, make_tiles, nearest_shapes
from deepocr_jax.train.score_map_targets import Pages

TILE = 32


@dataclass(frozen=True)
class DBTargetOptions:
    """Shapes of the targets.

    Attributes:
        shrink_ratio: r; a region shrinks and grows by its area (1 - r^2) / perimeter.
        min_core_px: Regions do not become thinner than this by shrinking, as far as they are
            thicker themselves: a reader drops what is thinner (ours).
        least_threshold: Wanted threshold inside, and at the end of the grown region.
        most_threshold: Wanted threshold at a region's border.
        max_neighbours: Words that a tile looks at, the nearest first.
    """

    shrink_ratio: float = 0.4
    min_core_px: float = 3.0
    least_threshold: float = 0.3
    most_threshold: float = 0.7
    max_neighbours: int = 48


class WordBoxes(NamedTuple):
    """The words of a page in (x, y), continuous; every field [k], many of them without a word.

    Attributes:
        x, y: Of the centre.
        along_x, along_y: Unit vector of the direction of reading.
        half_length: Along it.
        half_height: Across it.
        visible: Whether all characters are.
        exists: Whether there is a word.
    """

    x: jax.Array
    y: jax.Array
    along_x: jax.Array
    along_y: jax.Array
    half_length: jax.Array
    half_height: jax.Array
    visible: jax.Array
    exists: jax.Array


def make_db_targets(pages: Pages, options: DBTargetOptions = DBTargetOptions()) -> DBTargets:
    """The targets of pages, at their resolution.

    Args:
        pages: Height and width are multiples of 32.
        options: Shapes.

    Raises:
        ParameterValueError: The pages' size is none that the network takes.
    """
    height, width = pages.images.shape[1:3]
    if height % TILE or width % TILE:
        raise ParameterValueError(
            f"expected pages whose sides are multiples of {TILE}, got {height} x {width}"
        )

    def of_page(quads: jax.Array, words: jax.Array, visible: jax.Array) -> DBTargets:
        return _page_targets(word_boxes(quads, words, visible), (height, width), options)

    return jax.vmap(of_page)(pages.quads, pages.words, pages.visible)


def word_boxes(quads: jax.Array, words: jax.Array, visible: jax.Array) -> WordBoxes:
    """Cells of characters -> the boxes around the words, each along its cells' upper edges.

    Args:
        quads: [k, 4, 2], words: [k], visible: [k]; see `Pages`.
        words: See there.
        visible: See there.
    """
    k = len(words)
    begins = jnp.concatenate([jnp.ones(1, bool), words[1:] != words[:-1]])
    # Segment k, which is none, takes what is no character.
    segment = jnp.where(words >= 0, jnp.cumsum(begins) - 1, k)
    upper = jax.ops.segment_sum(quads[:, 1] - quads[:, 0], segment, k)
    along = upper / jnp.maximum(jnp.sqrt(jnp.sum(upper * upper, axis=1)), 1e-6)[:, None]
    across = jnp.stack([-along[:, 1], along[:, 0]], axis=1)
    member = jnp.minimum(segment, k - 1)
    u, v = (jnp.einsum("kcd,kd->kc", quads, axis[member]) for axis in (along, across))
    u0, v0 = (jax.ops.segment_min(p.min(axis=1), segment, k) for p in (u, v))
    u1, v1 = (jax.ops.segment_max(p.max(axis=1), segment, k) for p in (u, v))
    exists = (u1 - u0 > 1e-3) & (v1 - v0 > 1e-3)
    u0, u1, v0, v1 = (jnp.where(exists, p, 0.0) for p in (u0, u1, v0, v1))
    centre = ((u0 + u1)[:, None] * along + (v0 + v1)[:, None] * across) / 2
    whole = jax.ops.segment_min(visible.astype(jnp.int32), segment, k) > 0
    return WordBoxes(
        x=centre[:, 0],
        y=centre[:, 1],
        along_x=along[:, 0],
        along_y=along[:, 1],
        half_length=(u1 - u0) / 2,
        half_height=(v1 - v0) / 2,
        visible=whole & exists,
        exists=exists,
    )


class _Found(NamedTuple):
    """What the tiles' pixels have seen so far; every field [t, TILE * TILE]."""

    text: jax.Array
    ignored: jax.Array
    # Nearness to a border: 1 on it, 0 from the offset on; -1 in no grown region.
    border: jax.Array


def _page_targets(boxes: WordBoxes, shape: tuple[int, int], options: DBTargetOptions) -> DBTargets:
    a, b = boxes.half_length, boxes.half_height
    offset = (1 - options.shrink_ratio**2) * a * b / jnp.maximum(a + b, 1e-6)
    inset = jnp.minimum(offset, jnp.maximum(jnp.minimum(a, b) - options.min_core_px / 2, 0.0))
    reach_x = (a + offset) * jnp.abs(boxes.along_x) + (b + offset) * jnp.abs(boxes.along_y)
    reach_y = (a + offset) * jnp.abs(boxes.along_y) + (b + offset) * jnp.abs(boxes.along_x)
    bounds = [boxes.x - reach_x, boxes.y - reach_y, boxes.x + reach_x, boxes.y + reach_y]
    corners, x, y = make_tiles(shape, TILE)
    numbers, real = nearest_shapes(
        corners,
        TILE,
        jnp.stack(bounds, axis=1),
        jnp.stack([boxes.x, boxes.y], axis=1),
        boxes.exists,
        options.max_neighbours,
    )

    def look(found: _Found, nearby: tuple[jax.Array, jax.Array]) -> tuple[_Found, None]:
        number, is_real = nearby
        box, grown, shrunk = jax.tree.map(lambda v: v[number][:, None], (boxes, offset, inset))
        distance = _border_distance(box, x, y)
        counts = is_real[:, None] & box.visible
        near = 1 - jnp.abs(distance) / jnp.maximum(grown, 1e-6)
        border = jnp.where(distance <= grown, jnp.maximum(near, 0.0), -1.0)
        hidden = is_real[:, None] & ~box.visible & (distance <= 0)
        return _Found(
            found.text | (counts & (distance <= -shrunk)),
            found.ignored | hidden,
            jnp.maximum(found.border, jnp.where(counts, border, -1.0)),
        ), None

    none = jnp.zeros(x.shape, bool)
    start = _Found(none, none, jnp.full(x.shape, -1.0))
    found, _ = lax.scan(look, start, (numbers.T, real.T))
    text, ignored, border = (join_tiles(v, shape, TILE) for v in found)
    rise = options.most_threshold - options.least_threshold
    return DBTargets(
        text=text.astype(jnp.float32),
        text_mask=1.0 - ignored,
        threshold=options.least_threshold + rise * jnp.maximum(border, 0.0),
        threshold_mask=((border >= 0) & ~ignored).astype(jnp.float32),
    )


def _border_distance(box: WordBoxes, x: jax.Array, y: jax.Array) -> jax.Array:
    """Distance of pixels from the border of boxes, negative inside."""
    dx, dy = x - box.x, y - box.y
    beyond_u = jnp.abs(dx * box.along_x + dy * box.along_y) - box.half_length
    beyond_v = jnp.abs(dy * box.along_x - dx * box.along_y) - box.half_height
    outside = jnp.sqrt(jnp.maximum(beyond_u, 0.0) ** 2 + jnp.maximum(beyond_v, 0.0) ** 2)
    return outside + jnp.minimum(jnp.maximum(beyond_u, beyond_v), 0.0)
