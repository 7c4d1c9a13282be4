"""Whole pages: shapes, ranges, order of characters, dependence on the key."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from page_sizes import CHARACTERS, COUNT, HEIGHT, WIDTH, page_program

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.pages import Pages, synthesis, synthesize_pages
from deepocr_jax.synth.pages.block_kinds import PAGE_KINDS
from deepocr_jax.synth.pages.blocks import draw_blocks, draw_page_kind
from deepocr_jax.synth.pages.typesetting import set_words


def test_types_shapes_and_ranges(make, atlas):
    pages = make(0)
    k = COUNT, CHARACTERS
    assert pages.images.shape == (COUNT, HEIGHT, WIDTH, 3) and pages.images.dtype == np.uint8
    assert pages.quads.shape == (*k, 4, 2) and pages.quads.dtype == np.float32
    assert pages.words.shape == k and pages.words.dtype == np.int32
    assert pages.codes.shape == k and pages.codes.dtype == np.int32
    assert pages.visible.shape == k and pages.visible.dtype == np.bool_
    assert np.isfinite(pages.quads).all()
    assert pages.words.min() == -1 and pages.codes.min() >= 0
    assert pages.codes.max() < atlas.advances.shape[1]
    assert not pages.visible[pages.words < 0].any()
    # Every page has text, most of it visible, and is not of one colour.
    assert (pages.words >= 0).any(axis=1).mean() > 0.7
    assert pages.visible.sum() > 0.4 * (pages.words >= 0).sum() > 50
    assert (pages.images.std(axis=(1, 2, 3)) > 2).all()


def test_same_key_same_pages_other_key_others(make):
    first, again, other = make(1), make(1), make(2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first.images.astype(int) - other.images).mean() > 5
    assert not np.array_equal(first.codes, other.codes)
    # The pages of a call differ from each other too.
    assert len({image.tobytes() for image in first.images}) == COUNT


@pytest.mark.slow
def test_jit_gives_what_eager_gives(atlas):
    """The layout, on which all else depends; whole pages would take minutes without jit."""

    def lay_out(key):
        blocks = draw_blocks(key, jnp.array(1), atlas.face_odds, (HEIGHT, WIDTH))
        return blocks, set_words(key, atlas, blocks, 6)

    eager, jitted = lay_out(jax.random.key(3)), jax.jit(lay_out)(jax.random.key(3))
    for a, b in zip(jax.tree.leaves(eager), jax.tree.leaves(jitted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_characters_of_a_word_follow_each_other_in_reading_direction(make):
    checked = 0
    for seed in range(3):
        pages = make(seed)
        for quads, words, visible in zip(pages.quads, pages.words, pages.visible, strict=True):
            present = words >= 0
            # Each word is one run of k.
            starts = np.flatnonzero(present & (np.diff(words, prepend=-2) != 0))
            assert len(set(words[starts])) == len(starts)
            same = present[1:] & (words[1:] == words[:-1]) & visible[1:] & visible[:-1]
            for k in np.flatnonzero(same):
                right = quads[k, 1] - quads[k, 0]
                step = quads[k + 1].mean(axis=0) - quads[k].mean(axis=0)
                assert np.dot(step, right) > 0
                checked += 1
    assert checked > 300


def test_visible_cells_lie_inside_and_are_large_enough(make):
    pages = make(4)
    quads = pages.quads[pages.visible]
    assert quads.min() >= -1 and np.all(quads.max(axis=(0, 1)) <= [WIDTH + 1, HEIGHT + 1])
    heights = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=-1)
    assert heights.min() > 5
    # As one reads, the corners go clockwise on the screen.
    across, down = quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0]
    assert np.all(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0)


@pytest.mark.parametrize("scenes", [0.0, 0.4, 1.0])
def test_share_of_scenes(scenes):
    keys = jax.random.split(jax.random.key(0), 2000)
    kinds = np.asarray(jax.vmap(lambda key: draw_page_kind(key, scenes))(keys))
    is_scene = np.array([kind.is_scene for kind in PAGE_KINDS.values()])
    assert abs(is_scene[kinds].mean() - scenes) < 0.05
    expected = is_scene if scenes == 1 else ~is_scene if scenes == 0 else is_scene | True
    assert set(kinds) == set(np.flatnonzero(expected))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0),
        ("height", 100),
        ("width", 56),
        ("characters_per_page", 24),
        ("scenes", 1.1),
    ],
)
def test_bad_arguments_are_refused(atlas, name, value):
    arguments = {"count": 1, "height": 64, "width": 64, name: value}
    with pytest.raises(ParameterValueError, match=f"{name}: expected .* got {value}"):
        synthesize_pages(atlas, jax.random.key(0), **arguments)


def test_pages_is_a_tree(make):
    assert len(jax.tree.leaves(make(0))) == len(Pages._fields)


@pytest.mark.slow
def test_scenes_have_gratings(make, atlas, monkeypatch):
    found = make(4)  # Before what it calls is replaced: its program is traced at its first call.
    monkeypatch.setattr(synthesis, "add_gratings", lambda key, is_scene, ground: ground)
    without = page_program()(atlas, jax.random.key(4))
    np.testing.assert_array_equal(without.quads, found.quads)
    changed = (np.asarray(without.images) != found.images).any(axis=(1, 2, 3))
    assert 0 < changed.sum() < COUNT
