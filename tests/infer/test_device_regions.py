from __future__ import annotations

import cv2
import jax
import numpy as np
import pytest

from deepocr_jax import apply_deep_ocr, set_deep_ocr_param
from deepocr_jax.infer.device_regions import (
    MAX_ENDS,
    connected_components,
    find_regions_on_device,
    make_region_finder,
)
from deepocr_jax.metrics.overlap import box_areas, intersection_areas
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions

PARAMS = RegionParams()
components = jax.jit(connected_components)


@pytest.fixture(scope="module")
def finder():
    return make_region_finder(jax.local_devices(backend="cpu")[0])


def spiral(side: int) -> np.ndarray:
    """One component that winds from the border to the middle."""
    mask = np.zeros((side, side), bool)
    row, col, step, length = 0, 0, (0, 1), side
    while length > 2:
        for _ in range(2):
            for _ in range(length - 1):
                mask[row, col] = True
                row, col = row + step[0], col + step[1]
            step = (step[1], -step[0])
        length -= 2
    return mask


def random_mask(share: float) -> np.ndarray:
    return np.random.default_rng(int(100 * share)).random((90, 130)) < share


@pytest.mark.parametrize(
    "mask",
    [random_mask(s) for s in (0.0, 0.1, 0.3, 0.4, 0.6, 1.0)] + [spiral(64), spiral(64)[:, ::-1]],
)
def test_components_are_those_of_opencv(mask):
    labels = np.asarray(components(mask))
    count, expected = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    assert (labels[~mask] == mask.size).all()
    pairs = set(zip(labels[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == count - 1 == len(np.unique(labels[mask]))


def bars(count: int, seed: int) -> np.ndarray:
    """A probability map with bars in any direction that do not touch."""
    random = np.random.default_rng(seed)
    scores = np.zeros((600, 800), np.uint8)
    for k in range(count):
        centre = (80 + 160 * (k % 5), 60 + 115 * (k // 5))
        size = (float(random.uniform(40, 100)), float(random.uniform(6, 22)))
        corners = cv2.boxPoints((centre, size, float(random.uniform(0, 180))))
        cv2.fillPoly(scores, [np.rint(16 * corners).astype(int)], 255, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(scores, (0, 0), 1.0).astype(np.float32) / 255


def box_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    shared = intersection_areas(boxes, others)
    return shared / (box_areas(boxes)[:, None] + box_areas(others) - shared)


def matched(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Best overlap of each box."""
    return box_ious(boxes, others).max(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_bars_have_the_boxes_that_the_host_finds(finder, seed):
    scores = bars(25, seed)
    expected, expected_scores = find_regions(scores, PARAMS)
    boxes, values = find_regions_on_device(scores, PARAMS, finder)
    assert len(boxes) == len(expected) == 25
    overlaps = box_ious(boxes, expected)
    partner = overlaps.argmax(axis=1)
    assert overlaps.max(axis=1).min() > 0.99
    turn = np.abs(np.sin(boxes[:, 2] - expected[partner, 2]))
    assert turn.max() < np.deg2rad(0.05)
    np.testing.assert_allclose(values, expected_scores[partner], atol=1e-4)


@pytest.mark.parametrize("degrees", [0, 30, 90, -90, -45, 60])
def test_directions_are_those_of_the_host(finder, degrees):
    scores = np.zeros((300, 300), np.uint8)
    corners = cv2.boxPoints(((150, 150), (180, 20), -degrees))
    cv2.fillPoly(scores, [np.rint(16 * corners).astype(int)], 255, cv2.LINE_AA, 4)
    scores = scores.astype(np.float32) / 255
    ((expected,), _), ((box,), _) = (
        find_regions(scores, PARAMS),
        find_regions_on_device(scores, PARAMS, finder),
    )
    np.testing.assert_allclose(box, expected, atol=0.01)


def test_faint_small_and_missing_regions(finder):
    scores = np.zeros((200, 200), np.float32)
    assert len(find_regions_on_device(scores, PARAMS, finder)[0]) == 0
    scores[20:40, 20:120] = 0.45  # a region, but a faint one
    scores[100:101, 100:101] = 1.0  # too small
    scores[150:165, 20:120] = 0.9
    boxes, values = find_regions_on_device(scores, PARAMS, finder)
    assert len(boxes) == 1 and boxes[0, 0] == pytest.approx(157, abs=1)
    assert values[0] == pytest.approx(0.9, abs=0.1)


def test_the_largest_regions_stay(finder):
    scores = bars(25, 0)
    boxes, _ = find_regions_on_device(scores, PARAMS, finder)
    few, _ = find_regions_on_device(scores, RegionParams(max_regions=5), finder)
    areas = np.sort(boxes[:, 3] * boxes[:, 4])
    np.testing.assert_allclose(np.sort(few[:, 3] * few[:, 4]), areas[-5:], rtol=1e-6)


def test_more_components_than_there_is_room_for_are_left_to_the_host(finder):
    scores = np.zeros((400, 400), np.float32)
    scores[::4, ::4] = 1.0
    assert find_regions_on_device(scores, PARAMS, finder) is None


def test_ragged_regions_have_the_smallest_rectangle(finder):
    """As scene text gives them: steps, and a tail to one side."""
    scores = np.zeros((300, 400), np.uint8)
    outline = np.array([[40, 60], [200, 30], [330, 95], [300, 140], [180, 90], [60, 120]])
    cv2.fillPoly(scores, [outline], 255)
    cv2.fillPoly(scores, [outline // 3 + [20, 200]], 255)
    scores = scores.astype(np.float32) / 255
    expected, _ = find_regions(scores, PARAMS)
    boxes, _ = find_regions_on_device(scores, PARAMS, finder)
    assert len(boxes) == len(expected) == 2
    assert matched(boxes, expected).min() > 0.999


def test_more_ends_of_rows_than_there_is_room_for_are_left_to_the_host(finder):
    scores = np.zeros((1024, 1024), np.float32)
    scores[:, ::8] = 1.0  # columns, each with two ends a row
    scores[512, :] = 1.0
    assert MAX_ENDS < 2 * 128 * 1024
    assert find_regions_on_device(scores, PARAMS, finder) is None


@pytest.mark.pretrained
def test_the_sample_reads_the_same(handle, sample):
    expected = apply_deep_ocr(sample, handle)["words"]
    set_deep_ocr_param(handle, "detection_boxes_on_device", True)
    words = apply_deep_ocr(sample, handle)["words"]
    assert sorted(words["word"]) == sorted(expected["word"])


@pytest.mark.pretrained
def test_the_sample_has_the_same_lines(finder, shared_handle, sample):
    result = apply_deep_ocr(sample, shared_handle, mode="detection")
    scores = np.asarray(result["score_maps"])[..., 0]
    expected, _ = find_regions(scores, PARAMS)
    boxes, _ = find_regions_on_device(scores, PARAMS, finder)
    assert len(boxes) == len(expected) > 5
    assert matched(boxes, expected).min() > 0.99
