import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import boxes_to_quads
from deepocr_jax.metrics.overlap import box_areas, intersection_areas

box = st.tuples(
    st.floats(-20, 20),
    st.floats(-20, 20),
    st.floats(-3.14, 3.14),
    st.floats(1, 20),
    st.floats(1, 9),
)


def _inside(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    row, col = (points - box[:2]).T
    sin, cos = np.sin(box[2]), np.cos(box[2])
    along, across = -sin * row + cos * col, cos * row + sin * col
    return (np.abs(along) <= box[3]) & (np.abs(across) <= box[4])


@settings(max_examples=40, deadline=None)
@given(box, box)
def test_area_is_about_that_of_counted_points(one, other):
    a, b = np.array(one), np.array(other)
    quad = boxes_to_quads(a)[0]
    steps = (np.arange(150) + 0.5) / 150
    along, across = np.meshgrid(steps, steps)
    points = quad[0] + along.reshape(-1, 1) * (quad[1] - quad[0])
    points = points + across.reshape(-1, 1) * (quad[3] - quad[0])
    area = float(box_areas(a)[0])
    counted = _inside(points, b).mean() * area
    assert abs(intersection_areas(a, b)[0, 0] - counted) <= 0.03 * area


@given(box)
def test_a_box_shares_all_of_itself_whichever_way_it_reads(values):
    a = np.array(values)
    turned = a + [0, 0, np.pi, 0, 0]
    np.testing.assert_allclose(intersection_areas(a, a)[0], box_areas(a), rtol=1e-6)
    np.testing.assert_allclose(intersection_areas(a, turned)[0], box_areas(a), rtol=1e-6)


def test_boxes_that_touch_or_have_no_area_share_nothing():
    a = np.array([[0, 0, 0, 2, 1], [0, 4, 0, 2, 1], [0, 0, 0, 0, 0.0]])
    shared = intersection_areas(a, a)
    np.testing.assert_allclose(shared, np.diag([8.0, 8.0, 0.0]))
    assert intersection_areas(np.zeros((0, 5)), a).shape == (0, 3)
