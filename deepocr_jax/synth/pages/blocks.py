"""Where the blocks of a page lie, and how each is set."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.synth.pages.block_kinds import (
    FACE_USES,
    PAGE_KINDS,
    PARAMETERS,
    block_odds,
    block_ranges,
)
from deepocr_jax.synth.pages.faces import USES

ROWS = 6
BLOCKS = 2 * ROWS

SMALLEST_EM_PX, LARGEST_EM_PX = 8.5, 128.0


class Blocks(NamedTuple):
    """Blocks of a page, those with text first; arrays [b], lengths in pixels.

    `box` [b, 4] is (left, top, right, bottom) in the block's own frame, which is turned by `angle`
    (radians, clockwise on the screen) about the middle of the box. `styles` holds the parameters
    of `BlockKind` by name. `used` tells which blocks have text.
    """

    box: jax.Array
    angle: jax.Array
    em: jax.Array
    face: jax.Array
    is_handwriting: jax.Array
    used: jax.Array
    styles: dict[str, jax.Array]


def draw_page_kind(key: jax.Array, scenes: float) -> jax.Array:
    """Index into `PAGE_KINDS`; `scenes` is the share of those that are scenes, in [0, 1]."""
    share = np.array([kind.share for kind in PAGE_KINDS.values()])
    scene = np.array([kind.is_scene for kind in PAGE_KINDS.values()])
    share = np.where(scene, scenes * share / share[scene].sum(), share)
    share = np.where(scene, share, (1 - scenes) * share / share[~scene].sum())
    return jnp.searchsorted(jnp.asarray(share.cumsum()[:-1], jnp.float32), jax.random.uniform(key))


def draw_blocks(
    key: jax.Array,
    page_kind: jax.Array,
    face_odds: jax.Array,
    size: tuple[int, int],
    turned: bool = True,
) -> Blocks:
    """Blocks at random.

    Args:
        key: Random key.
        page_kind: Index into `PAGE_KINDS`.
        face_odds: As in the atlas.
        size: (height, width) of the page.
        turned: Whether a few of them stand upright.

    Returns:
        `BLOCKS` blocks.
    """
    parts, kinds, dice, faces, turning, emptying = jax.random.split(key, 6)
    page = {
        name: jnp.asarray([getattr(k, name) for k in PAGE_KINDS.values()], jnp.float32)[page_kind]
        for name in ("is_scene", "two_columns", "empty", "typewriter", "em_px", "side_margin")
    }
    u = jax.random.uniform(kinds, (BLOCKS, 1))
    kind = jnp.sum(u >= jnp.asarray(block_odds())[page_kind][:-1], axis=-1)
    low, high = jnp.moveaxis(jnp.asarray(block_ranges())[kind], -1, 0)
    values = low + (high - low) * jax.random.uniform(dice, low.shape)
    styles = {name: values[:, k] for k, name in enumerate(PARAMETERS)}
    box = _partition(parts, page, size)
    face, is_handwriting, page_em = _draw_faces(faces, page, styles["face"], face_odds)
    box, angle = _turn(turning, box, page["is_scene"], turned)
    room = box[:, 2:] - box[:, :2]
    fitting = jnp.minimum(room[:, 1] * 0.75, room[:, 0] / (3.2 * styles["stretch"]))
    em = jnp.clip(page_em * styles["em"], SMALLEST_EM_PX, LARGEST_EM_PX)
    em = jnp.minimum(em, jnp.maximum(fitting, SMALLEST_EM_PX))
    used = jax.random.uniform(emptying, (BLOCKS,)) >= page["empty"]
    used &= (room[:, 0] > 2.5 * em) & (room[:, 1] > 1.1 * em)
    blocks = Blocks(box, angle, em, face, is_handwriting, used, styles)
    order = jnp.argsort(~used, stable=True)
    return jax.tree.map(lambda x: x[order], blocks)


def _partition(key: jax.Array, page: dict[str, jax.Array], size: tuple[int, int]) -> jax.Array:
    """Boxes of the blocks: rows of random heights, each with one column or two: [b, 4]."""
    heights, splits, columns, margins, gaps = jax.random.split(key, 5)
    height, width = size
    weights = 0.15 + jax.random.uniform(heights, (ROWS,)) ** 2
    edges = jnp.concatenate([jnp.zeros(1), jnp.cumsum(weights) / weights.sum()]) * height
    low, high = page["side_margin"]
    margin = width * (low + (high - low) * jax.random.uniform(margins, (2,)))
    left, right = margin[0], width - margin[1]
    split = left + (right - left) * (0.3 + 0.4 * jax.random.uniform(splits, (ROWS,)))
    split = jnp.where(jax.random.uniform(columns, (ROWS,)) < page["two_columns"], split, right)
    full = jnp.ones(ROWS)
    first = jnp.stack([left * full, edges[:-1], split, edges[1:]], axis=-1)
    second = jnp.stack([split, edges[:-1], right * full, edges[1:]], axis=-1)
    gap = 2 + 0.02 * width * jax.random.uniform(gaps, (BLOCKS, 4))
    return jnp.concatenate([first, second]) + gap * jnp.array([1.0, 1.0, -1.0, -1.0])


def _turn(
    key: jax.Array, box: jax.Array, is_scene: jax.Array, turned: bool
) -> tuple[jax.Array, jax.Array]:
    """Turns the blocks of a scene: a few stand upright, most lean a little: (box, angle)."""
    upright, leaning, sign = jax.random.split(key, 3)
    count = box.shape[0]
    share = jnp.where(is_scene > 0, 0.15, 0.015)
    stands = turned & (jax.random.uniform(upright, (count,)) < share)
    room = jnp.maximum(box[:, 2:] - box[:, :2], 1.0)
    middle = (box[:, 2:] + box[:, :2]) / 2
    swapped = jnp.where(stands[:, None], room[:, ::-1], room)
    lean = jax.random.normal(leaning, (count,)) * 0.07 * is_scene
    # A leaning block stays in its part of the page if it is smaller.
    shrink = jnp.minimum(room[:, 1] / room[:, 0], room[:, 0] / room[:, 1]) * jnp.abs(lean)
    swapped = swapped * (1 - jnp.clip(jnp.abs(lean) + 0.3 * shrink, 0, 0.4))[:, None]
    direction = jnp.where(jax.random.bernoulli(sign, shape=(count,)), 1.0, -1.0)
    angle = lean + jnp.where(stands, direction * jnp.pi / 2, 0.0)
    return jnp.concatenate([middle - swapped / 2, middle + swapped / 2], axis=1), angle


def _draw_faces(
    key: jax.Array, page: dict[str, jax.Array], face_use: jax.Array, face_odds: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Faces of the blocks, whether they are handwriting, and the text size of the page."""
    first, second, fixed, own, sizes = jax.random.split(key, 5)
    use = jnp.where(
        jax.random.uniform(fixed) < page["typewriter"],
        USES.index("typewriter"),
        USES.index("document"),
    )

    def choose(odds: jax.Array, u: jax.Array) -> jax.Array:
        return jnp.clip(jnp.sum(u[..., None] >= odds, axis=-1), 0, odds.shape[-1] - 1)

    count = face_use.shape[0]
    body = choose(face_odds[use], jax.random.uniform(first))
    other = choose(face_odds[USES.index("document")], jax.random.uniform(second))
    u = jax.random.uniform(own, (count,))
    several = [
        jnp.full(count, body),
        jnp.full(count, other),
        choose(face_odds[USES.index("any")], u),
        choose(face_odds[USES.index("handwriting")], u),
    ]
    source = jnp.clip(face_use.astype(jnp.int32), 0, len(FACE_USES) - 1)
    face = jnp.select([source == k for k in range(3)], several[:3], several[3])
    low, high = page["em_px"]
    page_em = low * (high / low) ** jax.random.uniform(sizes)
    return face, source == FACE_USES.index("handwriting"), page_em
