"""Targets of differentiable binarization against regions drawn with OpenCV."""

from __future__ import annotations

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_pages import dense_page, page_of, stack

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import boxes_to_quads
from deepocr_jax.geometry.character_cells import boxes_of_words, split_box
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions
from deepocr_jax.train.db_targets import DBTargetOptions, make_db_targets, word_boxes

SIDE = 128
RATIO = 0.4
# Row, column, phi, half length, half height.
WORDS = [
    (30.0, 50.0, 0.0, 30.0, 10.0),
    (80.0, 70.0, 0.4, 40.0, 12.0),
    (110.0, 20.0, 0.0, 14.0, 8.0),
]
targets_of = jax.jit(make_db_targets, static_argnums=1)


def page_with(words, hidden=()):
    quads, numbers, visible = [], [], []
    for number, box in enumerate(words):
        cells, _ = split_box(np.array(box), "abcd")
        quads.append(cells)
        numbers += [number] * 4
        # One character that cannot be seen is enough.
        visible += [True, True, True, number not in hidden]
    return page_of(np.concatenate(quads), numbers, SIDE, visible)


def drawn(box, grow):
    """A box that has grown by a distance, with pixel centres inside it 1."""
    row, col, phi, length1, length2 = box
    (quad,) = boxes_to_quads(np.array([(row, col, phi, length1 + grow, length2 + grow)]))
    rows, cols = np.mgrid[:SIDE, :SIDE]
    corners = quad[:, ::-1].astype(np.float32)[:, None]
    return np.array(
        [
            cv2.pointPolygonTest(corners, (float(c), float(r)), measureDist=True)
            for r, c in zip(rows.ravel(), cols.ravel(), strict=True)
        ]
    ).reshape(SIDE, SIDE)


def offset(box):
    """Area (1 - r^2) / perimeter."""
    area, perimeter = 4 * box[3] * box[4], 4 * (box[3] + box[4])
    return area * (1 - RATIO**2) / perimeter


def test_regions_shrink_and_borders_have_thresholds():
    (text,), (mask,), (threshold,), (near,) = targets_of(
        stack(page_with(WORDS)), DBTargetOptions(RATIO, min_core_px=0)
    )
    shrunk = np.max([drawn(b, -offset(b)) for b in WORDS], axis=0)
    clear = np.abs(shrunk) > 0.01
    np.testing.assert_array_equal(text[clear], (shrunk > 0)[clear])
    assert np.asarray(mask).all()
    # On a pixel's way from the border by the offset, the threshold falls from 0.7 to 0.3.
    border = np.stack([drawn(b, 0) for b in WORDS])
    share = 1 - np.abs(border) / np.array([offset(b) for b in WORDS])[:, None, None]
    expected = 0.3 + 0.4 * np.clip(share.max(axis=0), 0, 1)
    np.testing.assert_allclose(threshold, expected, atol=2e-3)
    grown = border + np.array([offset(b) for b in WORDS])[:, None, None]
    clear = (np.abs(grown) > 0.01).all(axis=0)
    np.testing.assert_array_equal(near[clear], (grown > 0).any(axis=0)[clear])


def test_hidden_words_are_neither_text_nor_background():
    (text,), (mask,), _, (near,) = targets_of(
        stack(page_with(WORDS, hidden=[1])), DBTargetOptions(RATIO, min_core_px=0)
    )
    inside = drawn(WORDS[1], 0)
    clear = np.abs(inside) > 0.01
    np.testing.assert_array_equal(np.asarray(mask)[clear] == 0, (inside > 0)[clear])
    assert not np.asarray(text)[inside > 0].any() and not np.asarray(near)[inside > 0].any()
    shown = np.max([drawn(WORDS[k], -offset(WORDS[k])) for k in (0, 2)], axis=0)
    assert np.asarray(text)[shown > 0.01].all()


def test_cores_stay_thick_enough_to_be_found():
    low = [(40.0, 60.0, 0.0, 30.0, 3.0), (80.0, 60.0, 0.0, 30.0, 1.2)]
    thin, _, _, _ = targets_of(stack(page_with(low)), DBTargetOptions(RATIO, min_core_px=0))
    thick, _, _, _ = targets_of(stack(page_with(low)), DBTargetOptions(RATIO, min_core_px=5))
    # What is thinner itself does not grow: pixel centres within the box alone.
    for row, cores in ((40, (1, 5)), (80, (1, 3))):
        found = [int(x[0][row - 6 : row + 7, 60].sum()) for x in (thin, thick)]
        assert found == list(cores)


@pytest.mark.parametrize(("size", "degrees"), [(10, 0), (14, 5), (24, -20)])
def test_a_reader_finds_the_words_of_perfect_maps(size, degrees):
    page = dense_page(1, side=256, size=size, degrees=degrees, leading=1.5)
    truth, _ = boxes_of_words(page.quads, page.words, page.visible)
    text = np.asarray(targets_of(stack(page), DBTargetOptions()).text[0])
    metrics = DetectionMetrics((0.5, 0.7))
    metrics.update(truth, find_regions(text, RegionParams())[0])
    half, most = metrics.compute()["thresholds"]
    assert (half["f_score"] or 0) > 0.95 and (most["f_score"] or 0) > 0.85


def test_words_are_boxes_around_their_cells():
    page = dense_page(2, side=256, size=15, degrees=30)
    truth, _ = boxes_of_words(page.quads, page.words, page.visible)
    found = jax.jit(word_boxes)(page.quads, page.words, page.visible)
    exists = np.asarray(found.exists)
    assert exists.sum() == len(truth)
    columns = [found.y - 0.5, found.x - 0.5, np.arctan2(-found.along_y, found.along_x)]
    columns += [found.half_length, found.half_height]
    np.testing.assert_allclose(np.stack(columns, axis=1)[exists], truth, atol=2e-3)


def test_blank_pages_and_pages_of_other_sizes():
    blank = stack(page_of(np.zeros((0, 4, 2)), [], 64), page_of(np.zeros((3, 4, 2)), [-1] * 3, 64))
    text, mask, threshold, near = make_db_targets(jax.tree.map(jnp.asarray, blank))
    assert text.shape == mask.shape == threshold.shape == near.shape == (2, 64, 64)
    assert not np.asarray(text).any() and np.asarray(mask).all() and not np.asarray(near).any()
    with pytest.raises(ParameterValueError, match="multiples of 32, got 48 x 48"):
        make_db_targets(stack(page_of(np.zeros((1, 4, 2)), [0], 48)))
