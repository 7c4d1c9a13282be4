from __future__ import annotations

import cv2
import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.displays import DISPLAYED, DisplaySource
from deepocr_jax.synth.segments import (
    LIT,
    VARIANTS,
    DigitShape,
    draw_segments,
    lit_segments,
    segment_polygons,
)

SHAPE = DigitShape(width=0.6, thickness=0.12, gap=0.02, slant=0.1, bevel=0.5, variants=False)


@pytest.fixture(scope="module")
def source():
    return DisplaySource(60, seed=3, image_width=320)


def test_crops_are_what_the_source_says(source):
    for index in range(len(source)):
        crop = source.crop(index)
        assert crop.shape == (48, source.widths[index], 3)
        assert crop.dtype == np.uint8
        assert 8 <= crop.shape[1] <= 320
        assert set(source.word(index)) <= set(DISPLAYED)


def test_a_crop_depends_on_seed_and_index_alone(source):
    longer, other = DisplaySource(80, 3, 320), DisplaySource(60, 4, 320)
    for index in (59, 0, 17):
        np.testing.assert_array_equal(longer.crop(index), source.crop(index))
        assert longer.word(index) == source.word(index)
    assert [other.word(i) for i in range(60)] != [source.word(i) for i in range(60)]
    assert len({source.fingerprint, longer.fingerprint, other.fingerprint}) == 3


def test_every_word_fits_into_its_frames(source):
    for index in range(len(source)):
        word = source.word(index)
        needed = len(word) + sum(a == b for a, b in zip(word, word[1:], strict=False))
        assert needed <= max(160, source.widths[index]) // 8


def test_numbers_are_varied(source):
    words = [source.word(i) for i in range(len(source))]
    assert set("".join(words)) >= set("0123456789.")
    assert any(w.startswith("00") for w in words)
    assert all(w.count(".") <= 1 and not w.startswith(".") and not w.endswith(".") for w in words)


def test_each_digit_has_segments_of_its_own():
    assert len(set(LIT.values())) == len(LIT)
    variants = DigitShape(0.6, 0.12, 0.02, 0.1, 0.5, variants=True)
    forms = [lit_segments(c, variants) for c in LIT]
    assert len(set(forms)) == len(forms)
    assert all(lit_segments(c, SHAPE) == LIT[c] for c in VARIANTS)


def test_lit_segments_are_drawn_where_they_belong():
    centres = {
        name: points.mean(axis=0) * 200 + [10, 10]
        for name, points in segment_polygons(SHAPE).items()
    }
    for character, lit in LIT.items():
        canvas = np.zeros((220, 180), np.uint8)
        draw_segments(canvas, SHAPE, lit, 10, 10, 200)
        bright = {n for n, (x, y) in centres.items() if canvas[round(y), round(x)] > 128}
        assert bright == set(lit), character
        pieces, _ = cv2.connectedComponents((canvas > 128).astype(np.uint8))
        assert pieces - 1 <= len(lit)


@pytest.mark.parametrize("index", [-1, 60])
def test_an_index_outside_is_refused(source, index):
    with pytest.raises(IndexError, match=r"0\.\.59"):
        source.crop(index)


def test_a_count_of_nothing_is_refused():
    with pytest.raises(ParameterValueError, match="count"):
        DisplaySource(0)
