"""Ink and quads belong together, on the page and as it is seen."""

from __future__ import annotations

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.synth.pages.blocks import BLOCKS, Blocks, draw_blocks
from deepocr_jax.synth.pages.glyphs import class_sizes, place_glyphs
from deepocr_jax.synth.pages.painting import paint_glyphs, paint_rectangles
from deepocr_jax.synth.pages.typesetting import set_words
from deepocr_jax.synth.pages.views import View, draw_view, look, to_page, to_picture

SIZE = 256, 320
CHARACTERS = 200
SMALL, MIDDLE, LARGE = slice(0, 140), slice(140, 192), slice(192, 200)


@pytest.fixture(scope="module")
def glyphs(atlas):
    """Glyphs of a few pages of all kinds, without slanted faces, whose ink leaves the cells."""

    @jax.jit
    def lay_out(key):
        keys = jax.random.split(key, 4)
        kind = jax.random.randint(keys[3], (), 0, 5)
        blocks: Blocks = draw_blocks(keys[0], kind, atlas.face_odds, SIZE)
        words = set_words(keys[1], atlas, blocks, 80)
        return place_glyphs(keys[2], atlas, blocks, words, CHARACTERS)

    pages = [lay_out(jax.random.key(seed)) for seed in range(60)]
    large = [page for page in pages[5:] if np.asarray(page.used)[LARGE].any()]
    return pages[:5] + large[:3]


def inside(quad, grow):
    """Mask of pixels in a quad that is grown by some pixels on all sides; eight-fold sampled."""
    across = (quad[1] - quad[0]) / np.linalg.norm(quad[1] - quad[0])
    down = (quad[3] - quad[0]) / np.linalg.norm(quad[3] - quad[0])
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * grow
    grown = quad + signs[:, :1] * across + signs[:, 1:] * down
    mask = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(mask, [np.rint((grown - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def single(atlas, glyphs, k):
    alone = glyphs._replace(used=jnp.arange(CHARACTERS) == k)
    return paint_glyphs(atlas, alone, jnp.ones(CHARACTERS), SIZE)


paint_single = jax.jit(single)


@pytest.mark.parametrize("seen", [False, True], ids=["page", "picture"])
@pytest.mark.slow
def test_ink_of_a_character_lies_in_its_quad(atlas, glyphs, seen):
    show = jax.jit(lambda view, ink: look(view, ink[None], jnp.zeros((1, *SIZE)))[0])
    shares, random = [], np.random.default_rng(0)
    for number, page in enumerate(glyphs):
        quads = np.asarray(page.quads)
        view = draw_view(jax.random.key(number), jnp.array(number % 2 == 0), SIZE)
        if seen:
            quads = np.asarray(to_picture(view, page.quads))
        within = np.all((quads > 2) & (quads < [SIZE[1] - 2, SIZE[0] - 2]), axis=(1, 2))
        candidates = np.flatnonzero(np.asarray(page.used) & within)
        largest = candidates[candidates >= LARGE.start]
        for k in [*random.permutation(candidates)[:20], *largest]:
            ink = paint_single(atlas, page, k)
            ink = np.asarray(show(view, ink) if seen else ink)
            assert ink.sum() > 0.5
            height = np.linalg.norm(quads[k, 3] - quads[k, 0])
            shares.append(ink[inside(quads[k], 1 + 0.08 * height)].sum() / ink.sum())
    assert len(shares) > 60
    assert np.mean(shares) > 0.97 and np.mean(np.array(shares) > 0.9) > 0.95


def test_classes_of_size_have_their_sizes(glyphs):
    assert class_sizes(CHARACTERS) == (140, 52, 8)
    heights = {}
    for name, part in (("small", SMALL), ("middle", MIDDLE), ("large", LARGE)):
        chosen = [page.axes[part][np.asarray(page.used)[part]] for page in glyphs]
        axes = np.concatenate([np.asarray(a) for a in chosen])
        heights[name] = np.linalg.norm(axes[:, :, 1], axis=1)
    assert heights["small"].max() < 32 < heights["large"].min()
    assert heights["middle"].max() < 64 and len(heights["middle"]) > 10


@pytest.mark.slow
def test_words_of_a_block_do_not_overlap_and_stay_in_it(atlas):
    keys = jax.random.split(jax.random.key(0), 2)
    blocks = draw_blocks(keys[0], jnp.array(1), atlas.face_odds, SIZE)
    words = jax.tree.map(np.asarray, set_words(keys[1], atlas, blocks, 80))
    assert words.used.sum() > 5
    box = np.asarray(blocks.box)[words.block]
    end = words.x + words.width
    assert np.all((words.x >= box[:, 0] - 1e-2)[words.used])
    assert np.all((end <= box[:, 2] + 1e-2)[words.used])
    assert np.all((words.y <= box[:, 3])[words.used])
    for block in range(BLOCKS):
        mine = np.flatnonzero(words.used & (words.block == block))
        for a, b in zip(mine[:-1], mine[1:], strict=True):
            assert words.y[b] > words.y[a] + 1 or words.x[b] > end[a]


def test_view_and_its_inverse_cancel():
    for seed in range(8):
        view = draw_view(jax.random.key(seed), jnp.array(seed % 2 == 0), SIZE)
        places = jnp.array(np.random.default_rng(seed).uniform(0, 300, (50, 2)), jnp.float32)
        np.testing.assert_allclose(to_page(view, to_picture(view, places)), places, atol=0.02)


def test_plain_view_changes_nothing():
    page = jnp.asarray(np.random.default_rng(0).random((3, 16, 24)), jnp.float32)
    view = View(jnp.eye(3), jnp.zeros(3))
    np.testing.assert_allclose(look(view, page, jnp.zeros_like(page)), page, atol=1e-6)


def test_beyond_is_seen_where_the_page_ends():
    view = View(jnp.array([[1.0, 0, -8], [0, 1, 0], [0, 0, 1]]), jnp.zeros(3))
    seen = look(view, jnp.ones((1, 16, 24)), jnp.zeros((1, 16, 24)))[0]
    np.testing.assert_array_equal(seen[:, :7], 0)
    np.testing.assert_array_equal(seen[:, 9:], 1)


def test_rectangles_have_exact_areas():
    boxes = jnp.array([[1.25, 2.0, 5.5, 2.5], [-3.0, 7.0, 2.0, 99.0]])
    ink = paint_rectangles(boxes, jnp.array([[1.0], [0.5]]), (12, 10))[0]
    np.testing.assert_allclose(ink[:6].sum(), 4.25 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(ink[6:].sum(), 0.5 * 2 * 5, rtol=1e-5)


def test_views_and_blocks_that_are_not_turned_lean_only_a_little(atlas):
    for seed in range(12):
        keys = jax.random.split(jax.random.key(seed), 2)
        view = draw_view(keys[0], jnp.array(seed % 2 == 0), SIZE, turned=False)
        linear = np.asarray(view.homography)[:2, :2]
        assert abs(np.arctan2(linear[0, 1] - linear[1, 0], np.trace(linear))) < np.deg2rad(25)
        blocks = draw_blocks(keys[1], jnp.array(3), atlas.face_odds, SIZE, turned=False)
        assert np.abs(np.asarray(blocks.angle)).max() < np.deg2rad(25)
