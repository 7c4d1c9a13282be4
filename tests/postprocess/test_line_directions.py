"""The regions of a page agree on how they read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.postprocess.line_directions import (
    agree_on_directions,
    direct_boxes,
    is_across,
    page_axis,
)


def boxes_of(*rows):
    """Boxes of (degrees, half length, half height)."""
    found = [(50.0 * k, 20.0, np.deg2rad(a), long, high) for k, (a, long, high) in enumerate(rows)]
    return np.array(found, np.float64).reshape(-1, 5)


def degrees(boxes):
    return np.rad2deg(boxes[:, 2])


@pytest.mark.parametrize(
    ("angles", "axis"),
    [
        ((0, 2, -2), 0), ((88, -88, 90), -90), ((30, 32, 28), 30), ((60, 61, 59), -120),
        ((-50, -52, -48), -50), ((0, 2, 90), 0.7), ((1, 1, 90, 90), 0.5),
        ((30, 31, -61, -60, 29), 29.8), ((0, 89, -89, 91), -90), ((46, 44), 45),
    ],
)  # fmt: skip
def test_a_page_has_the_axis_of_its_long_regions(angles, axis):
    boxes = boxes_of(*[(a, 60, 8) for a in angles], (77, 8, 6))
    assert np.rad2deg(page_axis(boxes)) == pytest.approx(axis, abs=1.0)


def test_a_page_without_long_regions_is_taken_for_upright():
    assert page_axis(boxes_of((80, 10, 8), (85, 9, 8))) == 0.0
    assert page_axis(np.zeros((0, 5))) == 0.0


def test_lines_about_the_vertical_read_the_same_way():
    boxes = agree_on_directions(boxes_of((85, 60, 8), (-85, 60, 8), (90, 50, 8), (-88, 60, 8)))
    np.testing.assert_allclose(degrees(boxes), [-95, -85, -90, -88], atol=1e-9)


def test_lines_across_the_axis_agree_among_themselves():
    lines = [(0, 80, 8), (1, 80, 8), (-1, 80, 8), (87, 40, 8), (-89, 40, 8)]
    boxes = agree_on_directions(boxes_of(*lines))
    np.testing.assert_allclose(degrees(boxes), [0, 1, -1, -93, -89], atol=1e-9)
    assert is_across(boxes, page_axis(boxes)).tolist() == [False] * 3 + [True] * 2


def test_short_regions_take_the_axis_of_the_page():
    upright = agree_on_directions(boxes_of((0, 80, 8), (-90, 9, 5), (80, 9, 5)))
    np.testing.assert_allclose(degrees(upright), [0, 0, -10], atol=1e-9)
    np.testing.assert_allclose(upright[1:, 3:], [[5, 9], [5, 9]])
    turned = agree_on_directions(boxes_of((60, 80, 8), (62, 90, 8), (-30, 9, 5), (58, 9, 8)))
    np.testing.assert_allclose(degrees(turned), [-120, -118, -120, -122], atol=1e-9)
    assert agree_on_directions(np.zeros((0, 5))).shape == (0, 5)


@given(
    st.lists(
        st.tuples(st.floats(-180, 180), st.floats(1, 90), st.floats(1, 30)), min_size=1, max_size=9
    ),
    st.floats(-180, 180),
)
def test_the_rectangles_stay_where_they_are(rows, wanted):
    boxes = boxes_of(*rows)
    for changed in (agree_on_directions(boxes), direct_boxes(boxes, np.deg2rad(wanted))):
        for before, after in zip(boxes_to_quads(boxes), boxes_to_quads(changed), strict=True):
            far = np.linalg.norm(before[:, None] - after[None], axis=-1).min(axis=1)
            np.testing.assert_allclose(far, 0, atol=1e-6)
    off = normalize_phi(direct_boxes(boxes, np.deg2rad(wanted))[:, 2] - np.deg2rad(wanted))
    assert np.abs(off).max() <= np.pi / 4 + 1e-6
    long = boxes[:, 3] >= 2.5 * boxes[:, 4]
    kept = np.sin(agree_on_directions(boxes)[long, 2] - boxes[long, 2])
    np.testing.assert_allclose(kept, 0, atol=1e-9)
