import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions

PARAMS = RegionParams()


def draw(*boxes: tuple[float, ...], score: float = 1.0, size=(200, 240)) -> np.ndarray:
    """A probability map with rotated bars, smooth over one pixel at their edges."""
    row, col = np.mgrid[: size[0], : size[1]].astype(float)
    scores = np.zeros(size)
    for row0, col0, phi, length1, length2 in boxes:
        along = -(row - row0) * np.sin(phi) + (col - col0) * np.cos(phi)
        across = (row - row0) * np.cos(phi) + (col - col0) * np.sin(phi)
        edge = np.minimum(length1 - np.abs(along), length2 - np.abs(across))
        scores = np.maximum(scores, np.clip(edge + 0.5, 0, 1) * score)
    return scores.astype(np.float32)


def expanded(half1: float, half2: float, ratio: float = 1.6) -> tuple[float, float]:
    """Half sides after moving all edges outwards by ratio * area / perimeter."""
    grow = ratio * half1 * half2 / (half1 + half2)
    return half1 + grow, half2 + grow


@given(
    st.floats(80, 120), st.floats(100, 140), st.floats(-1.5, 1.5), st.floats(30, 60),
    st.floats(4, 12),
)  # fmt: skip
@settings(deadline=None)
def test_bars_are_found_where_they_were_drawn(row, col, phi, half1, half2):
    boxes, scores = find_regions(draw((row, col, phi, half1, half2)), PARAMS)
    assert boxes.shape == (1, 5) and scores.shape == (1,)
    np.testing.assert_allclose(boxes[0, :2], (row, col), atol=1.5)
    # The width of a pixel at the ends of the bar is the angle's tolerance.
    tolerance = 1.5 / half1 + np.deg2rad(0.5)
    turn = normalize_phi(boxes[0, 2] - phi)
    assert min(abs(turn), np.pi - abs(turn)) < tolerance
    np.testing.assert_allclose(boxes[0, 3:], expanded(half1, half2), atol=3)
    assert 0.75 < scores[0] <= 1


def test_boxes_are_centred_on_axis_parallel_bars():
    scores = np.zeros((100, 200), np.float32)
    scores[40:52, 30:150] = 1
    boxes, _ = find_regions(scores, PARAMS)
    np.testing.assert_allclose(boxes[0, :3], (45.5, 89.5, 0), atol=1e-3)
    np.testing.assert_allclose(boxes[0, 3:], expanded(60, 6), atol=1)


@pytest.mark.parametrize("degrees", [-80, -45, -10, 0, 10, 45, 80])
def test_long_bars_read_to_the_right(degrees):
    boxes, _ = find_regions(draw((100, 120, np.deg2rad(degrees), 60, 8)), PARAMS)
    assert np.rad2deg(boxes[0, 2]) == pytest.approx(degrees, abs=1.5)


def test_upright_bars_read_downwards():
    for degrees in (89.8, 90, -90, -89.8):
        boxes, _ = find_regions(draw((100, 120, np.deg2rad(degrees), 60, 8)), PARAMS)
        assert np.rad2deg(boxes[0, 2]) == pytest.approx(-90, abs=1.2)


@pytest.mark.parametrize("degrees", [0, 20, -20, 40, 70, 90, 110])
def test_squares_read_along_the_side_nearer_to_the_horizontal(degrees):
    boxes, _ = find_regions(draw((100, 120, np.deg2rad(degrees), 20, 18)), PARAMS)
    assert abs(boxes[0, 2]) <= np.pi / 4 + 1e-9
    np.testing.assert_allclose(boxes[0, 3:].sum(), sum(expanded(20, 18)), atol=4)


@pytest.mark.parametrize(("score", "count"), [(0.25, 0), (0.45, 0), (0.7, 1)])
def test_faint_regions_are_dropped(score, count):
    scores = np.zeros((80, 120), np.float32)
    scores[30:50, 20:100] = score
    assert len(find_regions(scores, PARAMS)[0]) == count


@pytest.mark.parametrize(("height", "count"), [(1, 0), (2, 0), (6, 1)])
def test_thin_regions_are_dropped(height, count):
    scores = np.zeros((80, 120), np.float32)
    scores[30 : 30 + height, 20:100] = 1
    assert len(find_regions(scores, PARAMS)[0]) == count


@pytest.mark.parametrize("ratio", [0.0, 1.0, 2.0])
def test_expansion_follows_the_ratio(ratio):
    scores = np.zeros((80, 240), np.float32)
    scores[30:50, 20:220] = 1
    boxes, _ = find_regions(scores, RegionParams(unclip_ratio=ratio))
    np.testing.assert_allclose(boxes[0, 3:], expanded(100, 10, ratio), atol=0.6)


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (40, 60)])
def test_empty_maps(size):
    boxes, scores = find_regions(np.zeros(size, np.float32), PARAMS)
    assert boxes.shape == (0, 5) and scores.shape == (0,)


def test_a_full_map_is_one_region():
    boxes, scores = find_regions(np.ones((60, 100), np.float32), PARAMS)
    assert len(boxes) == 1 and scores[0] == pytest.approx(1)
    np.testing.assert_allclose(boxes[0, :2], (29.5, 49.5), atol=0.51)


def test_regions_at_the_border_are_found():
    scores = np.zeros((60, 100), np.float32)
    scores[:12, :40] = scores[-12:, -40:] = 1
    boxes, _ = find_regions(scores, PARAMS)
    centres = boxes[np.argsort(boxes[:, 0]), :2]
    np.testing.assert_allclose(centres, [(5.5, 19.5), (53.5, 79.5)], atol=0.6)


def test_neighbours_stay_apart_and_touching_ones_merge():
    for gap, count in ((4, 2), (0, 1)):
        scores = np.zeros((80, 120), np.float32)
        scores[20:32, 20:100] = scores[32 + gap : 44 + gap, 20:100] = 1
        assert len(find_regions(scores, PARAMS)[0]) == count


def test_the_hole_of_a_ring_is_no_region():
    scores = np.zeros((120, 160), np.float32)
    cv2.rectangle(scores, (20, 20), (140, 100), 1.0, thickness=9)
    boxes, _ = find_regions(scores, RegionParams(min_region_score=0.25))
    assert len(boxes) == 1


def test_the_largest_regions_are_kept():
    bars = [(20 + 30 * i, 100, 0, 20 + 10 * i, 6) for i in range(5)]
    boxes, _ = find_regions(draw(*bars), RegionParams(max_regions=2))
    assert sorted(np.round(boxes[:, 0])) == pytest.approx([110, 140], abs=1)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_map_gives_well_formed_boxes(seed):
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((64, 96), np.float32), (0, 0), rng.uniform(0.5, 5))
    noise = (noise - noise.min()) / np.ptp(noise)
    boxes, scores = find_regions(noise, PARAMS)
    assert len(boxes) == len(scores) and np.isfinite(boxes_to_quads(boxes)).all()
    assert np.all((scores >= PARAMS.min_region_score) & (scores <= 1 + 1e-6))
    assert np.all(boxes[:, 3:] > 0) and np.all(np.abs(boxes[:, 2]) <= np.pi / 2 + 1e-9)
