import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import quads_to_boxes
from deepocr_jax.geometry.character_cells import boxes_of_words, split_box


def cells_to_boxes(quads):
    """Quads (x, y), continuous -> boxes (row, col), pixel-centred."""
    return quads_to_boxes(quads[..., ::-1].astype(np.float64) - 0.5)


def test_cells_of_an_upright_word_are_its_equal_parts():
    quads, words = split_box(np.array([9.5, 49.5, 0.0, 30.0, 5.0]), "abc")
    np.testing.assert_array_equal(words, [0, 0, 0])
    np.testing.assert_allclose(quads[0], [[20, 5], [40, 5], [40, 15], [20, 15]])
    np.testing.assert_allclose(quads[2], [[60, 5], [80, 5], [80, 15], [60, 15]])


@pytest.mark.parametrize(
    ("text", "numbers"), [("", []), (" ", []), ("ab c", [0, 0, 1]), (" a  b ", [0, 1])]
)
def test_spaces_take_room_and_part_words(text, numbers):
    quads, words = split_box(np.array([20.0, 50.0, 0.3, 30.0, 5.0]), text)
    assert quads.shape == (len(numbers), 4, 2)
    np.testing.assert_array_equal(words, numbers)
    if numbers:
        boxes = cells_to_boxes(quads)
        np.testing.assert_allclose(boxes[:, 2], 0.3, atol=1e-5)
        np.testing.assert_allclose(boxes[:, 3], 30 / len(text), rtol=1e-4)


@given(
    st.floats(-50, 50), st.floats(-50, 50), st.floats(-3.1, 3.1), st.floats(4, 60),
    st.floats(2, 12), st.integers(1, 9),
)  # fmt: skip
@settings(deadline=None)
def test_the_box_of_the_cells_is_the_box(row, col, phi, length1, length2, count):
    box = np.array([row, col, phi, length1, length2])
    quads, words = split_box(box, "x" * count)
    boxes, whole = boxes_of_words(quads, words, np.ones(count, bool))
    np.testing.assert_allclose(boxes, box[None], atol=1e-3)
    assert whole.all()


def test_words_are_kept_apart_and_half_seen_ones_are_known():
    first, _ = split_box(np.array([20.0, 30.0, 0.0, 20.0, 5.0]), "abcd")
    second, _ = split_box(np.array([60.0, 30.0, -1.2, 25.0, 6.0]), "ef")
    quads = np.concatenate([first, second, np.zeros((2, 4, 2), np.float32)])
    words, visible = np.array([7, 7, 7, 7, 3, 3, -1, -1]), np.ones(8, bool)
    visible[2] = False
    boxes, whole = boxes_of_words(quads, words, visible)
    np.testing.assert_allclose(boxes, [[60, 30, -1.2, 25, 6], [20, 30, 0, 20, 5]], atol=1e-4)
    np.testing.assert_array_equal(whole, [True, False])
    assert boxes_of_words(quads[:0], words[:0], visible[:0])[0].shape == (0, 5)
