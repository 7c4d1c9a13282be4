"""Targets of pages, against a slow oracle, and read back as words."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from toy_pages import dense_page, page_of, stack, turn

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import normalize_phi, scale_boxes
from deepocr_jax.geometry.character_cells import boxes_of_words
from deepocr_jax.metrics.overlap import box_areas, intersection_areas
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words
from deepocr_jax.train.score_map_targets import TargetOptions, make_targets

OPTIONS = TargetOptions()
# One number of characters, so that one program serves all pages of a size.
MOST = 600


@pytest.fixture(scope="module")
def targets_of():
    """Page -> maps and mask, [h, w, 4] and [h, w]."""
    compiled = jax.jit(make_targets)

    def call(page):
        room = [(0, MOST - len(page.words))]
        batch = page._replace(
            images=page.images[None],
            quads=np.pad(page.quads, [*room, (0, 0), (0, 0)])[None],
            words=np.pad(page.words, room, constant_values=-1)[None],
            codes=np.pad(page.codes, room)[None],
            visible=np.pad(page.visible, room)[None],
        )
        return jax.tree.map(lambda v: np.asarray(v)[0], compiled(batch))

    return call


def overlaps(boxes, others):
    shared = intersection_areas(boxes, others)
    return shared / (box_areas(boxes)[:, None] + box_areas(others)[None] - shared)


def read_back(page, targets):
    """The words' boxes, the overlap of each with the box read back for it, and that box."""
    truth, _ = boxes_of_words(page.quads, page.words, page.visible)
    found, scores = find_words(targets.maps, ScoreMapParams())
    found = scale_boxes(found, 2, 2)
    iou = overlaps(truth, found)
    return truth, iou.max(axis=1), found[iou.argmax(axis=1)], len(found)


# --- read back as words -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "degrees", "share"),
    [(12, 0, 0.97), (12, 90, 0.97), (12, -35, 0.97), (16, 10, 0.97), (30, 0, 1.0), (9, 0, 0.9)],
)
def test_words_of_dense_pages_come_back(targets_of, size, degrees, share):
    good, count = [], 0
    for seed in range(3):
        page = dense_page(seed, size=size, degrees=degrees, most=MOST)
        _, best, _, found = read_back(page, targets_of(page))
        good.append(best > 0.7)
        count += found
    good = np.concatenate(good)
    assert len(good) > 40
    assert good.mean() >= share
    assert abs(count - len(good)) <= 0.02 * len(good)


@pytest.mark.parametrize("degrees", range(-150, 181, 30))
def test_words_of_any_direction_come_back(targets_of, degrees):
    page = dense_page(5, size=20, degrees=degrees, most=MOST)
    truth, best, found, _ = read_back(page, targets_of(page))
    assert np.mean(best > 0.7) >= 0.98 and best.mean() > 0.9
    off = np.abs(normalize_phi(found[:, 2] - truth[:, 2]))
    assert off[best > 0.7].max() < np.deg2rad(0.5)
    np.testing.assert_allclose(normalize_phi(truth[:, 2] - np.deg2rad(degrees)), 0, atol=1e-5)


def test_narrow_characters_stay_in_their_word(targets_of):
    widths = [3, 2, 3, 2.5, 4]  # "lilli" and the like, 12 pixels high.
    edges = 20 + np.cumsum([0, *widths])
    quads = [[[a, 40], [b, 40], [b, 52], [a, 52]] for a, b in zip(edges, edges[1:], strict=False)]
    for degrees in (0, 33, 45, 90):
        page = page_of(turn(np.array(quads) - 40, degrees) + 100, [0] * 5, 512)
        truth, best, found, count = read_back(page, targets_of(page))
        assert count == 1 and best[0] > 0.7


# --- against a slow oracle ----------------------------------------------------------------------


def slow_scores(page, shape):
    """Character and link scores [h, w] each, from all cells at each pixel."""
    quads = page.quads.astype(np.float64) / 2
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    points = np.stack([cols, rows], axis=-1)
    character, link = np.zeros(shape), np.zeros(shape)
    centres = quads.mean(axis=1)
    heights = []
    for quad, centre, visible in zip(quads, centres, page.visible, strict=True):
        along = (quad[1] + quad[2] - quad[0] - quad[3]) / 4
        across = (quad[2] + quad[3] - quad[0] - quad[1]) / 4
        heights.append(np.linalg.norm(across))
        along = along * max(1, OPTIONS.min_cell_px / 2 / np.linalg.norm(along))
        across = across * max(1, OPTIONS.min_cell_px / 2 / np.linalg.norm(across))
        u, v = np.moveaxis((points - centre) @ np.linalg.inv(np.stack([along, across])), -1, 0)
        score = np.exp(-0.5 * (u**2 + v**2) / OPTIONS.character_sigma**2)
        character = np.maximum(character, score * visible)
    for i in range(len(quads) - 1):
        if page.words[i] != page.words[i + 1] or not page.visible[i : i + 2].all():
            continue
        offset = centres[i + 1] - centres[i]
        length = np.linalg.norm(offset)
        unit = offset / length
        t = (points - centres[i]) @ unit
        aside = (points - centres[i]) @ np.array([-unit[1], unit[0]])
        beyond = np.maximum(np.maximum(-t, t - length), 0)
        sigma = max(OPTIONS.link_sigma * min(heights[i : i + 2]), OPTIONS.min_link_sigma_px)
        link = np.maximum(link, np.exp(-0.5 * ((aside / sigma) ** 2 + (beyond / 0.5) ** 2)))
    return character, link


@pytest.mark.parametrize(("size", "degrees"), [(11, 0), (14, 25), (40, -70), (150, 0)])
def test_tiles_see_all_that_matters(targets_of, size, degrees):
    page = dense_page(2, size=size, degrees=degrees, most=MOST)
    rng = np.random.default_rng(0)
    page = page._replace(visible=rng.random(len(page.words)) < 0.9)
    targets = targets_of(page)
    for actual, expected in zip(
        np.moveaxis(targets.maps, -1, 0)[:2], slow_scores(page, (256, 256)), strict=True
    ):
        # Beyond three sigmas, exp(-4.5), a score may be left out.
        np.testing.assert_allclose(actual, expected, atol=0.012)
        np.testing.assert_allclose(actual[expected > 0.05], expected[expected > 0.05], atol=1e-3)


def test_the_direction_is_the_nearest_characters(targets_of):
    up = dense_page(1, size=24, degrees=0, side=512, most=MOST)
    for degrees in (0, 40, 180, -100):
        turned = (turn(up.quads - 256.0, degrees) + 256).astype(np.float32)
        maps = targets_of(up._replace(quads=turned)).maps
        text = maps[..., :2].max(axis=-1) > 0.1
        np.testing.assert_allclose(maps[text, 2], np.sin(np.deg2rad(degrees)), atol=1e-4)
        np.testing.assert_allclose(maps[text, 3], np.cos(np.deg2rad(degrees)), atol=1e-4)


# --- what is ignored ----------------------------------------------------------------------------


def test_what_is_not_visible_is_ignored_and_nothing_else(targets_of):
    page = dense_page(4, size=20, most=MOST)
    assert targets_of(page).mask.all()
    hidden = page.words == page.words[40]
    targets = targets_of(page._replace(visible=~hidden))
    rows, cols = np.mgrid[:256, :256] + 0.5
    inside = np.zeros((256, 256), bool)
    near = np.zeros((256, 256), bool)
    for quad in page.quads[hidden] / 2:
        (left, top), (right, bottom) = quad[0], quad[2]
        inside |= (rows > top) & (rows < bottom) & (cols > left) & (cols < right)
        near |= (rows > top - 2) & (rows < bottom + 2) & (cols > left - 2) & (cols < right + 2)
    assert not targets.mask[inside].any() and targets.mask[~near].all()
    before = targets_of(page).maps
    # Of what is hidden the last traces reach further than the mask.
    np.testing.assert_allclose(before[~near], targets.maps[~near], atol=0.05)
    assert targets.maps[inside, 1].max() < 0.01


def test_blank_pages_and_pages_of_other_sizes():
    blank = stack(page_of(np.zeros((0, 4, 2)), [], 64), page_of(np.zeros((3, 4, 2)), [-1] * 3, 64))
    targets = make_targets(blank)
    assert targets.maps.shape == (2, 32, 32, 4) and targets.mask.shape == (2, 32, 32)
    assert not np.asarray(targets.maps).any() and np.asarray(targets.mask).all()
    with pytest.raises(ParameterValueError, match="multiples of 32, got 48 x 48"):
        make_targets(stack(page_of(np.zeros((1, 4, 2)), [0], 48)))
