from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.postprocess.word_cuts import WordParams
from deepocr_jax.postprocess.words import fit_words

PARAMS = WordParams()


def draw(words: list[str], gap: int = 30):
    """A line of dark bars, one a character, 12 px wide every 20 px; and what a reader tells."""
    centres, edges, column = [], [], 20
    crop = np.full((48, 20 + sum(20 * len(w) + gap for w in words), 3), 230, np.uint8)
    for word in words:
        for _ in word:
            crop[12:36, column : column + 12] = 20
            centres.append(column + 6)
            column += 20
        edges.append((column - 20 * len(word), column - 8))
        column += gap
    return crop, np.array(centres, float), np.array(edges, float)


def texts(spans, text):
    return ["".join(text[i] for i in span.characters) for span in spans]


def test_characters_go_to_the_words_they_stand_in():
    words = ["ab", "c", "defg"]
    crop, centres, edges = draw(words)
    text = tuple("".join(words))
    spans = fit_words(crop, text, centres, edges, PARAMS)
    assert texts(spans, text) == words
    for span, (start, end) in zip(spans, edges, strict=True):
        pad = PARAMS.pad * 48
        assert span.start == pytest.approx(start - pad, abs=1)
        assert span.end == pytest.approx(end + pad, abs=1)
        assert (span.top, span.bottom) == pytest.approx((12 - pad, 36 + pad), abs=1)


def test_a_space_that_was_read_divides_better_than_the_frames():
    words = ["ab", "cd"]
    crop, centres, edges = draw(words, gap=10)
    text = ("a", "b", " ", "c", "d")
    between = (edges[0, 1] + edges[1, 0]) / 2
    # The second word's first character was seen early, before the middle of the gap.
    told = np.array([centres[0], centres[1] - 8, between - 8, between - 2, centres[3]])
    assert texts(fit_words(crop, text, told, edges, PARAMS), text) == words


def test_words_in_which_nothing_was_read_are_left_out():
    crop, centres, edges = draw(["ab", "cd"])
    spans = fit_words(crop, ("a", "b"), centres[:2], edges, PARAMS)
    assert [span.characters for span in spans] == [(0, 1)]
    assert fit_words(crop, (), np.zeros(0), edges, PARAMS) == []


def test_a_blank_crop_leaves_the_words_where_they_were_found():
    crop = np.full((48, 200, 3), 200, np.uint8)
    edges = np.array([[10.0, 60.0], [90.0, 150.0]])
    spans = fit_words(crop, ("a", "b"), np.array([30.0, 120.0]), edges, PARAMS)
    assert [(s.start, s.end) for s in spans] == [(10.0, 60.0), (90.0, 150.0)]
