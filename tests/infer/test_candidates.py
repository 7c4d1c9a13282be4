"""Candidates of characters: of all crops together, with and without a mapping of classes."""

from types import SimpleNamespace

import numpy as np
import pytest

from deepocr_jax.infer.readings import _characters
from deepocr_jax.text.ctc import find_runs

CHARACTERS = ("", *"abcdef")


def plain(frames, classes, confidences, merged, count):
    """One character at a time: the surest of its frames, classes that are read alike added up."""
    found = []
    for run in frames:
        best = max(run, key=lambda i: (confidences[i][0], -i))
        total = {}
        for label, value in zip(classes[best], confidences[best], strict=True):
            if merged[label]:
                name = CHARACTERS[merged[label]]
                total[name] = total.get(name, 0.0) + float(value)
        ranked = sorted(total.items(), key=lambda item: -item[1])[:count]
        found.append((tuple(n for n, _ in ranked), tuple(v for _, v in ranked)))
    return found


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("count", [1, 3, 6, 9])
def test_candidates_are_those_of_each_characters_surest_frame(mapped, count):
    rng = np.random.default_rng(count)
    merged = np.arange(7)
    if mapped:
        merged[[2, 5]] = 1, 0  # "b" is read as "a", "e" never.
    frames = [rng.integers(0, 7, 20) for _ in range(5)] + [np.zeros(4, int), np.zeros(0, int)]
    runs = [find_runs(merged[x]) for x in frames]
    rows = sum(int((r.stop - r.start).sum()) for r in runs)
    fetched = min(7, (1 + count) * (2 if mapped else 1))
    classes = np.stack([rng.permutation(7)[:fetched] for _ in range(rows)])
    confidences = -np.sort(-rng.uniform(0, 1, (rows, fetched)).astype(np.float32), axis=1)
    net = SimpleNamespace(characters=CHARACTERS, merged=merged)
    names, values = _characters(runs, classes, confidences, net, count)
    lengths = np.concatenate([r.stop - r.start for r in runs])
    ends = np.cumsum(lengths)
    expected = plain(
        [range(e - n, e) for n, e in zip(lengths, ends, strict=True)],
        classes, confidences, merged, count,
    )  # fmt: skip
    assert list(zip(names, values, strict=True)) == expected
