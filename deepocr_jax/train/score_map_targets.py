"""Quads of characters -> the score maps that a detector should give.

A character is a Gaussian in its cell, as in CRAFT (Baek et al., arXiv 1904.01941). A link is a band
from one character's centre to the next one's, so that a word is one connected region however narrow
its characters are, and the gap between two words stays free of both.

Each tile of the map looks only at the characters near it, so the work grows with the map's area and
neither with the number of characters times the area nor with a scatter of single pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.score_maps import STRIDE
from deepocr_jax.train.page_tiles import join_tiles, make_tiles, nearest_shapes

TILE = 16


class Pages(Protocol):
    """Pages with the cells of their characters; any tuple with these fields.

    Attributes:
        images: uint8 [n, height, width, 3] RGB.
        quads: float32 [n, k, 4, 2] corners (x, y) of the cells, as one reads them top left, top
            right, bottom right, bottom left; continuous, pixel i covers [i, i + 1).
        words: int32 [n, k] number of the word on its page; a word's characters stand one behind
            the other in reading order. -1: no character.
        visible: bool [n, k]; what is not is neither text nor background.
    """

    @property
    def images(self) -> jax.Array: ...  # noqa: D102
    @property
    def quads(self) -> jax.Array: ...  # noqa: D102
    @property
    def words(self) -> jax.Array: ...  # noqa: D102
    @property
    def visible(self) -> jax.Array: ...  # noqa: D102


class Targets(NamedTuple):
    """What a detector should give for n pages.

    Attributes:
        maps: [n, h, w, 4] character and link scores, sin and cos of the reading direction; the
            direction is that of the nearest character and means nothing far from any.
        mask: [n, h, w] 1 where the maps are known, 0 where text is that is not to be learned.
    """

    maps: jax.Array
    mask: jax.Array


@dataclass(frozen=True)
class TargetOptions:
    """Shapes of the targets; all but the last three in units of half a cell.

    Attributes:
        character_sigma: Of a character's Gaussian, along its cell's axes.
        link_sigma: Of a link's band, across it.
        ignored_reach: How far what is not visible is ignored.
        min_cell_px: Narrower cells count as this wide, in map pixels, so that a pixel's centre
            lies near the middle of each.
        min_link_sigma_px: Of a link's band, so that it never falls between the pixels.
        max_neighbours: Characters that a tile looks at, the nearest first.
    """

    character_sigma: float = 0.5
    link_sigma: float = 0.32
    ignored_reach: float = 1.2
    min_cell_px: float = 2.5
    min_link_sigma_px: float = 0.6
    max_neighbours: int = 48


# Where a band ends, in map pixels: at a character's centre, hardly beyond it.
_LINK_END_SIGMA_PX = 0.5
# Gaussians are followed to this many sigmas.
_REACH = 3.0


def make_targets(pages: Pages, options: TargetOptions = TargetOptions()) -> Targets:
    """The targets of pages, at half of their resolution.

    Args:
        pages: Height and width are multiples of 32.
        options: Shapes.

    Raises:
        ParameterValueError: The pages' size is none that the network takes.
    """
    height, width = pages.images.shape[1:3]
    side = STRIDE * TILE
    if height % side or width % side:
        raise ParameterValueError(
            f"expected pages whose sides are multiples of {side}, got {height} x {width}"
        )
    shape = (height // STRIDE, width // STRIDE)

    def of_page(quads: jax.Array, words: jax.Array, visible: jax.Array) -> Targets:
        return _page_targets(quads / STRIDE, words, visible, shape, options)

    return jax.vmap(of_page)(pages.quads, pages.words, pages.visible)


class _Cells(NamedTuple):
    """Characters and the links to their followers; every field [k], in map pixels."""

    x: jax.Array
    y: jax.Array
    # Rows of the matrix that takes offsets to coordinates in units of half a cell.
    ux: jax.Array
    uy: jax.Array
    vx: jax.Array
    vy: jax.Array
    sin: jax.Array
    cos: jax.Array
    visible: jax.Array
    exists: jax.Array
    # Unit vector, length and inverse sigma of the link; its visibility.
    link_x: jax.Array
    link_y: jax.Array
    link_length: jax.Array
    link_sharpness: jax.Array
    linked: jax.Array
    link_visible: jax.Array


def _cells(
    quads: jax.Array, words: jax.Array, visible: jax.Array, options: TargetOptions
) -> tuple[_Cells, jax.Array]:
    """The cells, and the bounds [k, 4] (x0, y0, x1, y1) of all that each of them touches."""
    centre = quads.mean(axis=1)
    along = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / 4
    across = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]) / 4
    half_width, half_height = _norms(along), _norms(across)
    unit = along / jnp.maximum(half_width, 1e-6)[:, None]
    least = options.min_cell_px / 2
    along = unit * jnp.maximum(half_width, least)[:, None]
    across = across * jnp.maximum(1.0, least / jnp.maximum(half_height, 1e-6))[:, None]
    area = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    exists = (words >= 0) & (jnp.abs(area) > 1e-3)
    area = jnp.where(exists, area, 1.0)

    offset = jnp.roll(centre, -1, axis=0) - centre
    length = _norms(offset)
    followed = (words == jnp.roll(words, -1)) & (jnp.arange(len(words)) < len(words) - 1)
    linked = exists & jnp.roll(exists, -1) & followed & (length > 1e-3)
    lower = jnp.minimum(half_height, jnp.roll(half_height, -1))
    sigma = jnp.maximum(options.link_sigma * lower, options.min_link_sigma_px)
    direction = offset / jnp.maximum(length, 1e-6)[:, None]
    cells = _Cells(
        x=centre[:, 0],
        y=centre[:, 1],
        ux=across[:, 1] / area,
        uy=-across[:, 0] / area,
        vx=-along[:, 1] / area,
        vy=along[:, 0] / area,
        sin=-unit[:, 1],
        cos=unit[:, 0],
        visible=visible & exists,
        exists=exists,
        link_x=direction[:, 0],
        link_y=direction[:, 1],
        link_length=length,
        link_sharpness=1 / sigma,
        linked=linked,
        link_visible=visible & jnp.roll(visible, -1),
    )
    reach = _REACH * options.character_sigma * jnp.sqrt(along**2 + across**2)
    low, high = centre - reach, centre + reach
    next_low, next_high = jnp.roll(low, -1, axis=0), jnp.roll(high, -1, axis=0)
    low = jnp.where(linked[:, None], jnp.minimum(low, next_low), low)
    high = jnp.where(linked[:, None], jnp.maximum(high, next_high), high)
    return cells, jnp.concatenate([low, high], axis=1)


def _norms(vectors: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(vectors * vectors, axis=-1))


class _Found(NamedTuple):
    """What the tiles' pixels have seen so far; every field [t, TILE * TILE]."""

    character: jax.Array  # Least squared distances, in sigmas.
    link: jax.Array
    nearest: jax.Array
    sin: jax.Array
    cos: jax.Array
    ignored: jax.Array


def _page_targets(
    quads: jax.Array,
    words: jax.Array,
    visible: jax.Array,
    shape: tuple[int, int],
    options: TargetOptions,
) -> Targets:
    cells, bounds = _cells(quads, words, visible, options)
    corners, x, y = make_tiles(shape, TILE)
    centres = jnp.stack([cells.x, cells.y], axis=1)
    numbers, real = nearest_shapes(
        corners, TILE, bounds, centres, cells.exists, options.max_neighbours
    )

    def look(found: _Found, nearby: tuple[jax.Array, jax.Array]) -> tuple[_Found, None]:
        number, is_real = nearby
        cell = jax.tree.map(lambda v: v[number][:, None], cells)
        return _look(found, cell, is_real[:, None], x, y, options), None

    far = jnp.full(x.shape, jnp.inf)
    none = jnp.zeros(x.shape)
    start = _Found(far, far, far, none, none, jnp.zeros(x.shape, bool))
    found, _ = lax.scan(look, start, (numbers.T, real.T))

    scores = [jnp.exp(-0.5 * found.character), jnp.exp(-0.5 * found.link)]
    channels = (*scores, found.sin, found.cos)
    maps = jnp.stack([join_tiles(v, shape, TILE) for v in channels], axis=-1)
    return Targets(maps, 1.0 - join_tiles(found.ignored, shape, TILE))


def _look(
    found: _Found,
    cell: _Cells,
    is_real: jax.Array,
    x: jax.Array,
    y: jax.Array,
    options: TargetOptions,
) -> _Found:
    """What pixels see of one more cell and its link."""
    dx, dy = x - cell.x, y - cell.y
    u, v = cell.ux * dx + cell.uy * dy, cell.vx * dx + cell.vy * dy
    distance = jnp.where(is_real, (u * u + v * v) / options.character_sigma**2, jnp.inf)
    along = cell.link_x * dx + cell.link_y * dy
    beyond = jnp.maximum(jnp.maximum(-along, along - cell.link_length), 0.0) / _LINK_END_SIGMA_PX
    aside = (cell.link_x * dy - cell.link_y * dx) * cell.link_sharpness
    band = jnp.where(is_real & cell.linked, aside * aside + beyond * beyond, jnp.inf)
    inside = jnp.maximum(jnp.abs(u), jnp.abs(v)) < options.ignored_reach
    hidden = is_real & ~cell.visible & inside
    hidden |= ~cell.link_visible & (band < _REACH**2)
    nearer = distance < found.nearest
    return _Found(
        jnp.minimum(found.character, jnp.where(cell.visible, distance, jnp.inf)),
        jnp.minimum(found.link, jnp.where(cell.link_visible, band, jnp.inf)),
        jnp.minimum(found.nearest, distance),
        jnp.where(nearer, cell.sin, found.sin),
        jnp.where(nearer, cell.cos, found.cos),
        found.ignored | hidden,
    )
