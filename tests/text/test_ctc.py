import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.text.ctc import BLANK, find_runs

FRAMES = st.lists(st.integers(0, 3), max_size=30).map(lambda f: np.array(f, np.int32))


def slow_runs(best: list[int]) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    previous = BLANK
    for frame, label in enumerate(best):
        if label != BLANK and label == previous:
            start, _, _ = runs.pop()
            runs.append((start, frame + 1, label))
        elif label != BLANK:
            runs.append((frame, frame + 1, label))
        previous = label
    return runs


@given(FRAMES)
def test_runs_agree_with_a_plain_loop(best):
    runs = find_runs(best)
    actual = [
        (int(a), int(b), int(c)) for a, b, c in zip(runs.start, runs.stop, runs.label, strict=True)
    ]
    assert actual == slow_runs(best.tolist())


@given(FRAMES)
def test_drawing_the_runs_gives_the_frames(best):
    runs = find_runs(best)
    drawn = np.full_like(best, BLANK)
    for start, stop, label in zip(runs.start, runs.stop, runs.label, strict=True):
        drawn[start:stop] = label
    np.testing.assert_array_equal(drawn, best)


def test_a_blank_parts_doubled_characters():
    runs = find_runs(np.array([1, 1, 0, 1, 2, 2]))
    assert runs.label.tolist() == [1, 1, 2]
    assert runs.start.tolist() == [0, 3, 4] and runs.stop.tolist() == [2, 4, 6]


def test_no_frames():
    runs = find_runs(np.zeros(0, np.int32))
    assert runs.start.shape == runs.stop.shape == runs.label.shape == (0,)
