"""Lines are cut into words together as each is alone, by a plain reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.postprocess.ink import column_gaps, find_ink, find_parts
from deepocr_jax.postprocess.word_cuts import ReadLine, WordParams
from deepocr_jax.postprocess.words import (
    WordSpan,
    _frame_span,
    _ink_span,
    cut_words,
)

PARAMS = WordParams()


# --- the reference: one line, one word, one character at a time ---------------------------------


def plain_words(line, params):
    crop, text, centres, margins = line.crop, line.text, line.centres, line.space_margins
    ink = find_ink(crop, params.margin)
    gaps = plain_gaps(ink) if ink is not None else (np.zeros(0, int), np.zeros(0, int))
    groups, cuts = plain_split(text, centres, margins, gaps, crop.shape, params)
    spans = []
    for characters, (begin, end) in zip(groups, cuts, strict=True):
        span = _ink_span(ink, begin, end, params.pad * crop.shape[0]) if ink is not None else None
        if span is None:
            span = _frame_span(centres[list(characters)], begin, end, crop.shape[0], params.margin)
        spans.append(WordSpan(characters, *span))
    return spans


def plain_gaps(ink):
    empty = np.ones(ink.labels.shape[1], bool)
    for left, right in zip(ink.left, ink.right, strict=True):
        empty[left:right] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], empty, [0]]).astype(int)))
    return edges[::2], edges[1::2]


def plain_split(text, centres, margins, gaps, shape, params):
    solid = [i for i, c in enumerate(text) if not c.isspace()]
    if not solid:
        return [], []
    height, width = shape[:2]
    groups, edges = [[solid[0]]], [0.0]
    inner = [plain_gap(gaps, centres[a], centres[b]) for a, b in zip(solid, solid[1:])]  # noqa: B905
    widths = [w for w, _ in inner if w > 0]
    typical = np.median(widths) if widths else 0.0
    for k, (gap, middle) in enumerate(inner):
        before, after = solid[k], solid[k + 1]
        wide = gap >= max(params.min_gap * height, params.gap_ratio * typical)
        nearly = gap >= params.spaced_gap * height and margins[before] >= params.spaced_margin
        if after - before > 1 or wide or nearly:
            groups.append([])
            edges.append(float(middle if gap else (centres[before] + centres[after]) / 2))
        groups[-1].append(after)
    return [tuple(g) for g in groups], list(zip(edges, [*edges[1:], float(width)], strict=True))


def plain_gap(gaps, left, right):
    """Width and middle of the gap that reaches furthest between two columns."""
    best, found = 0.0, (0.0, 0.0)
    for start, stop in zip(*gaps, strict=True):
        reach = min(stop, right) - max(start, left)
        if reach > best:
            best, found = reach, (float(stop - start), (start + stop) / 2)
    return found


# --- random lines -------------------------------------------------------------------------------


def random_line(rng):
    """Strokes, smears and ruled lines of any gray, with characters that may lie beside them."""
    height, width = int(rng.choice([48, 48, 48, 20])), int(rng.integers(8, 400))
    paper, ink = rng.permutation([rng.integers(0, 120), rng.integers(130, 255)])
    crop = np.full((height, width, 3), paper, np.int64)
    for _ in range(rng.integers(0, 30)):
        top, left = rng.integers(-4, height), rng.integers(-4, width)
        tall, long = rng.integers(1, height), rng.choice([2, 3, 8, 20, 160])
        crop[max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + long, 0)] = ink
    crop = np.clip(crop + rng.integers(-6, 7, crop.shape), 0, 255).astype(np.uint8)
    count = int(rng.integers(0, 25))
    # Frames are half a character apart, and may lie in the padding right of the crop.
    centres = np.cumsum(rng.integers(1, 12, count)) * 4.0
    text = tuple(rng.choice(list("abc "), count, p=[0.3, 0.3, 0.2, 0.2]))
    return ReadLine(crop, text, centres, rng.uniform(-12, 0, count))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_lines_cut_together_are_cut_as_alone(seed, count):
    rng = np.random.default_rng(seed)
    lines = [random_line(rng) for _ in range(count)]
    assert cut_words(lines, PARAMS) == [plain_words(line, PARAMS) for line in lines]


def test_more_lines_than_are_cut_at_once():
    rng = np.random.default_rng(0)
    lines = [random_line(rng) for _ in range(300)]
    found = cut_words(lines, PARAMS)
    assert found == [plain_words(line, PARAMS) for line in lines]
    assert sum(map(len, found)) > 300  # There was something to compare.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_parts_and_gaps_of_several_crops_are_those_of_each(seed, count):
    rng = np.random.default_rng(seed)
    crops = [random_line(rng).crop for _ in range(count)]
    parts = find_parts(crops, PARAMS.margin)
    line, start, stop = column_gaps(parts, np.array([c.shape[1] for c in crops], int))
    for number, crop in enumerate(crops):
        mine = parts.line == number
        found = np.stack([parts.left, parts.right, parts.top, parts.bottom])[:, mine]
        ink = find_ink(crop, PARAMS.margin)
        if ink is None:
            assert not mine.any() and not (line == number).any()
            continue
        expected = np.stack([ink.left, ink.right, ink.top, ink.bottom])
        assert sorted(found.T.tolist()) == sorted(expected.T.tolist())
        for actual, plain in zip((start, stop), plain_gaps(ink), strict=True):
            assert actual[line == number].tolist() == plain.tolist()


def test_a_read_space_and_a_wide_gap_cut_and_narrow_gaps_do_not():
    crop = np.full((48, 300, 3), 255, np.uint8)
    for left in (10, 40, 100, 240):  # Strokes of 20 columns.
        crop[12:36, left : left + 20] = 0
    centres = np.array([20.0, 50, 80, 112, 250])
    line = ReadLine(crop, ("a", "b", " ", "c", "d"), centres, np.full(5, -20.0))
    (spans,) = cut_words([line], PARAMS)
    assert [x.characters for x in spans] == [(0, 1), (3,), (4,)]
    pad = PARAMS.pad * 48
    expected = [(10, 60), (100, 120), (240, 260)]
    for span, (start, end) in zip(spans, expected, strict=True):
        assert (span.start, span.end) == pytest.approx((start - pad, end + pad))
        assert (span.top, span.bottom) == pytest.approx((12 - pad, 36 + pad))
