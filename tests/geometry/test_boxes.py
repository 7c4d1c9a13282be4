import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import (
    box_bounds,
    boxes_to_quads,
    contain_points,
    directions,
    normalize_phi,
    quads_to_boxes,
    scale_boxes,
    sub_boxes,
    turn_boxes,
)

COORDINATES = st.floats(-1e4, 1e4)
ANGLES = st.floats(-3.14, 3.14)
HALVES = st.floats(0.1, 1e3)
BOX = st.tuples(COORDINATES, COORDINATES, ANGLES, HALVES, HALVES)
BOXES = st.lists(BOX, max_size=5).map(lambda b: np.array(b, float).reshape(-1, 5))
FACTORS = st.floats(0.05, 20)


def assert_same_boxes(actual: np.ndarray, expected: np.ndarray, atol: float = 1e-6) -> None:
    """Equal but for rounding, angles modulo a full turn."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual[:, [0, 1, 3, 4]], expected[:, [0, 1, 3, 4]], atol=atol)
    np.testing.assert_allclose(normalize_phi(actual[:, 2] - expected[:, 2]), 0, atol=atol)


@pytest.mark.parametrize(
    ("phi", "along"),
    [(0, (0, 1)), (np.pi / 2, (-1, 0)), (np.pi, (0, -1)), (-np.pi / 2, (1, 0))],
)
def test_directions_turn_counter_clockwise(phi, along):
    actual, across = directions(np.array([phi]))
    np.testing.assert_allclose(actual, [along], atol=1e-15)
    # Downwards is a quarter turn clockwise from the direction of reading.
    np.testing.assert_allclose(across, [(along[1], -along[0])], atol=1e-15)


def test_quad_corners_are_in_reading_order():
    quad = boxes_to_quads(np.array([[10, 20, 0, 4, 2]]))[0]
    np.testing.assert_array_equal(quad, [(8, 16), (8, 24), (12, 24), (12, 16)])
    turned = boxes_to_quads(np.array([[10, 20, np.pi / 2, 4, 2]]))[0]
    np.testing.assert_allclose(turned, [(14, 18), (6, 18), (6, 22), (14, 22)], atol=1e-12)


@given(BOXES)
def test_boxes_to_quads_and_back(boxes):
    assert_same_boxes(quads_to_boxes(boxes_to_quads(boxes)), boxes)


@given(BOXES, FACTORS)
def test_equal_scaling_and_back(boxes, factor):
    scaled = scale_boxes(boxes, factor, factor)
    assert_same_boxes(scale_boxes(scaled, 1 / factor, 1 / factor), boxes)
    np.testing.assert_allclose(scaled[:, 3:], boxes[:, 3:] * factor)


@given(BOXES, st.sampled_from([0, np.pi / 2, np.pi, -np.pi / 2]), FACTORS, FACTORS)
def test_unequal_scaling_of_axis_parallel_boxes_and_back(boxes, phi, row_factor, col_factor):
    boxes[:, 2] = phi
    scaled = scale_boxes(boxes, row_factor, col_factor)
    assert_same_boxes(scale_boxes(scaled, 1 / row_factor, 1 / col_factor), boxes, atol=1e-5)


@given(BOXES, FACTORS)
def test_both_ways_of_scaling_agree(boxes, factor):
    nearly = factor * (1 + 1e-13)
    actual, expected = scale_boxes(boxes, factor, nearly), scale_boxes(boxes, factor, factor)
    assert_same_boxes(actual, expected, atol=1e-4)


def test_scaling_keeps_image_corners_in_place():
    image = np.array([[(30 - 1) / 2, (40 - 1) / 2, 0, 20, 15]])
    expected = [[(60 - 1) / 2, (120 - 1) / 2, 0, 60, 30]]
    np.testing.assert_allclose(scale_boxes(image, 2, 3), expected)


@given(BOX)
def test_sub_box_of_the_full_span_is_the_box(box):
    box = np.array(box)
    whole = sub_boxes(box, np.array([[0, 2 * box[3], 0, 2 * box[4]]]))
    np.testing.assert_allclose(whole, box[None], atol=1e-9)


@given(BOX, st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_sub_boxes_share_corners_with_the_box(box, part1, part2):
    box = np.array(box)
    length, height = 2 * box[3:]
    cut1, cut2 = part1 * length, part2 * height
    quads = boxes_to_quads(
        sub_boxes(box, np.array([[0, cut1, 0, cut2], [cut1, length, cut2, height]]))
    )
    outer = boxes_to_quads(box)[0]
    np.testing.assert_allclose(quads[0, 0], outer[0], atol=1e-8)
    np.testing.assert_allclose(quads[1, 2], outer[2], atol=1e-8)
    np.testing.assert_allclose(quads[0, 2], quads[1, 0], atol=1e-8)


@given(st.floats(-100, 100))
def test_normalized_angles_keep_their_direction(phi):
    normal = normalize_phi(phi)
    assert -np.pi < normal <= np.pi
    turns = (normal - phi) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-12)


def test_normalized_ends_of_the_range():
    np.testing.assert_array_equal(normalize_phi(np.array([np.pi, -np.pi, 0])), [np.pi, np.pi, 0])


@given(BOXES, st.data())
def test_turning_twice_is_the_identity(boxes, data):
    marks = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes))), bool
    )
    before = boxes.copy()
    once = turn_boxes(boxes, marks)
    np.testing.assert_array_equal(boxes, before)
    np.testing.assert_array_equal(once[~marks], boxes[~marks])
    assert_same_boxes(turn_boxes(once, marks), boxes)
    quads = boxes_to_quads(boxes[marks])
    np.testing.assert_allclose(boxes_to_quads(once[marks]), np.roll(quads, 2, axis=1), atol=1e-6)


@given(BOXES)
def test_bounds_hold_all_corners_and_touch_them(boxes):
    quads, bounds = boxes_to_quads(boxes), box_bounds(boxes)
    assert bounds.shape == (len(boxes), 4)
    for quad, bound in zip(quads, bounds, strict=True):
        assert bound.tolist() == [*quad.min(axis=0), *quad.max(axis=0)]


def test_boxes_contain_the_points_that_lie_in_them():
    along = np.array([np.cos(0.5), np.sin(0.5)])  # (x, y upwards) of the second box
    boxes = np.array([(10, 20, 0, 8, 3), (50, 60, 0.5, 20, 2)], float)
    points = np.array(
        [(12.9, 27.9), (13.1, 20), (10, 28.1), (50 - 19 * along[1], 60 + 19 * along[0])]
    )
    expected = [[True, False, False, False], [False, False, False, True]]
    np.testing.assert_array_equal(contain_points(boxes, points), expected)
    assert contain_points(boxes, np.zeros((0, 2))).shape == (2, 0)
    assert contain_points(boxes[:0], points).shape == (0, 4)
