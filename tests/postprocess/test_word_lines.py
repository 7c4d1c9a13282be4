from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.geometry.boxes import boxes_to_quads, directions
from deepocr_jax.postprocess.word_lines import JoinParams, join_words


def turned(boxes, degrees: float) -> np.ndarray:
    """The boxes of the page turned counter-clockwise about (0, 0)."""
    angle = np.deg2rad(degrees)
    boxes = np.array(boxes, float)
    row, col = boxes[:, 0].copy(), boxes[:, 1].copy()
    boxes[:, 0] = row * np.cos(angle) - col * np.sin(angle)
    boxes[:, 1] = row * np.sin(angle) + col * np.cos(angle)
    boxes[:, 2] += angle
    return boxes


def word(row: float, start: float, end: float, half: float = 6.0) -> tuple[float, ...]:
    return (row, (start + end) / 2, 0.0, (end - start) / 2, half)


# Two lines of three words, the last one of the second far away; and a heading of twice the size.
PAGE = [
    word(20, 10, 150, 14),
    word(60, 10, 50), word(60.5, 56, 90), word(59.5, 96, 140),
    word(90, 10, 60), word(90, 66, 100), word(90, 200, 240),
]  # fmt: skip
EXPECTED = [[0], [1, 2, 3], [4, 5], [6]]


@pytest.mark.parametrize("degrees", [0, 5, 30, 90, 135, 180, 200, 270, 345])
def test_neighbours_are_joined_whatever_the_direction(degrees):
    shuffled = np.random.default_rng(degrees).permutation(len(PAGE))
    lines = join_words(turned(PAGE, degrees)[shuffled])
    found = sorted(shuffled[line.members].tolist() for line in lines)
    assert found == EXPECTED


@pytest.mark.parametrize("degrees", [0, 30, 180, 260])
def test_boxes_hold_their_words(degrees):
    boxes = turned(PAGE, degrees)
    for line in join_words(boxes, JoinParams(margin=0)):
        along, across = directions(np.asarray(line.box[2]))
        offset = boxes_to_quads(boxes[line.members]).reshape(-1, 2) - line.box[:2]
        assert np.abs(offset @ along).max() == pytest.approx(line.box[3], abs=1e-6)
        assert np.abs(offset @ across).max() == pytest.approx(line.box[4], abs=1e-6)
        assert np.cos(line.box[2] - boxes[line.members[0], 2]) > 0.99


def test_one_word_gets_room_on_all_sides():
    (line,) = join_words(np.array([[5.0, 6.0, 0.3, 20.0, 7.0]]), JoinParams(margin=0.1))
    np.testing.assert_allclose(line.box, [5.0, 6.0, 0.3, 21.4, 8.4])
    assert join_words(np.zeros((0, 5))) == []


@pytest.mark.parametrize(
    ("second", "joined"),
    [
        (word(60, 55, 80), True),
        (word(60, 80, 99), False),  # too far
        (word(67, 55, 80), False),  # too low
        (word(60, 55, 80, 12), False),  # too high
        (word(60, 20, 45), False),  # above one another
        ((60, 70, 0.3, 15, 6), False),  # another direction
        ((60, 58, 0.3, 4, 6), True),  # too short to have one
    ],
)
def test_limits(second, joined):
    lines = join_words(np.array([word(60, 10, 50), second]))
    assert (len(lines) == 1) == joined


def test_long_lines_are_cut():
    boxes = np.array([word(60, 50 * k, 50 * k + 44) for k in range(30)])
    lines = join_words(boxes, JoinParams(max_aspect=20))
    assert len(lines) > 1
    assert all(line.box[3] <= 20.5 * line.box[4] for line in lines)
    assert np.concatenate([line.members for line in lines]).tolist() == list(range(30))
