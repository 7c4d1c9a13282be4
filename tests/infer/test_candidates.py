"""Candidates of characters: of which frame, with and without a mapping of classes."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepocr_jax.infer.readings import _characters, surest_frames
from deepocr_jax.text.ctc import find_runs

CHARACTERS = ("", *"abcdef")


def plain(classes, confidences, merged, count):
    """One character at a time: classes that are read alike are added up."""
    found = []
    for labels, mine in zip(classes, confidences, strict=True):
        total = {}
        for label, value in zip(labels, mine, strict=True):
            if merged[label]:
                name = CHARACTERS[merged[label]]
                total[name] = total.get(name, 0.0) + float(value)
        ranked = sorted(total.items(), key=lambda item: -item[1])[:count]
        found.append((tuple(n for n, _ in ranked), tuple(v for _, v in ranked)))
    return found


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("count", [1, 3, 6, 9])
def test_candidates_of_characters(mapped, count):
    rng = np.random.default_rng(count)
    merged = np.arange(7)
    if mapped:
        merged[[2, 5]] = 1, 0  # "b" is read as "a", "e" never.
    fetched = min(7, (1 + count) * (2 if mapped else 1))
    classes = np.stack([rng.permutation(7)[:fetched] for _ in range(30)])
    confidences = -np.sort(-rng.uniform(0, 1, (30, fetched)).astype(np.float32), axis=1)
    net = SimpleNamespace(characters=CHARACTERS, merged=merged)
    names, values = _characters(classes, confidences, net, count)
    expected = plain(classes, confidences, merged, count)
    assert list(zip(names, values, strict=True)) == expected
    assert _characters(classes[:0], confidences[:0], net, count) == ([], [])


@pytest.mark.parametrize(
    ("labels", "margins", "expected"),
    [
        ([0, 1, 1, 1, 0, 2], [-1, 2, 3, 3, -9, 1], [2, 5]),
        # Two characters without a blank between them.
        ([1, 1, 2, 2, 2], [5, 4, 1, 2, 3], [0, 4]),
        ([0, 0], [-1, -2], []),
        ([], [], []),
    ],
)
def test_the_surest_frame_of_a_character_is_farthest_above_the_blank(labels, margins, expected):
    found = find_runs(np.array(labels, int))
    assert surest_frames(found, np.array(margins, np.float32)).tolist() == expected
