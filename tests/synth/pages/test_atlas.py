"""The atlas: faces, substitutes, words, odds."""

from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.pages import make_atlas
from deepocr_jax.synth.pages.atlas import CHARACTERS, LEVELS
from deepocr_jax.synth.pages.faces import USES, segment_glyphs
from deepocr_jax.synth.pages.words import GROUPS, MAX_LENGTH, WORDS_PER_GROUP, make_words


def test_shapes_and_metrics(atlas):
    faces = atlas.scales.shape[0]
    assert atlas.texels.shape == (faces, len(CHARACTERS), sum(s * s for s in LEVELS))
    boxes = np.asarray(atlas.boxes)
    drawn = np.asarray(atlas.texels).any(axis=-1)
    f, c = np.nonzero(drawn)
    assert np.all(boxes[f, c, 2:] > boxes[f, c, :2])
    # Everything that a face draws in place of a character is there.
    substitutes = np.asarray(atlas.substitutes)
    assert np.take_along_axis(drawn, substitutes, axis=1).all()
    assert np.asarray(atlas.advances)[f, c].min() > 0.05
    x = CHARACTERS.index("x")
    assert np.all(np.abs(boxes[drawn[:, x], x, 3]) < 0.1)  # x stands on the baseline


def test_levels_hold_the_same_ink(atlas):
    texels = np.asarray(atlas.texels[0, CHARACTERS.index("B")], float)
    parts = np.split(texels, np.cumsum([s * s for s in LEVELS])[:-1])
    means = [part.mean() for part in parts]
    assert means[0] > 10
    np.testing.assert_allclose(means, means[0], rtol=0.03)


def test_odds_are_cumulative(atlas):
    odds = np.asarray(atlas.face_odds)
    assert odds.shape[0] == len(USES)
    assert np.all(np.diff(odds, axis=1) >= 0)
    np.testing.assert_allclose(odds[:, -1], 1, rtol=1e-5)


def test_words_are_in_groups_and_as_wide_as_their_characters(atlas):
    codes = np.asarray(atlas.word_codes)
    assert codes.shape == (len(GROUPS) * WORDS_PER_GROUP, MAX_LENGTH)
    assert np.all(codes[:, 0] >= 0)
    assert np.all((codes >= 0) == (np.cumsum(codes < 0, axis=1) == 0))  # none behind the end
    texts = ["".join(CHARACTERS[c] for c in row if c >= 0) for row in codes]
    groups = [texts[k : k + WORDS_PER_GROUP] for k in range(0, len(texts), WORDS_PER_GROUP)]
    assert all(t == t.lower() for t in groups[0]) and all(t == t.upper() for t in groups[2])
    assert len(set(groups[0])) > 500 and len(set(groups[3])) > 1000
    advances, substitutes = np.asarray(atlas.advances), np.asarray(atlas.substitutes)
    face, word = advances.shape[0] - 1, 17
    row = codes[word][codes[word] >= 0]
    expected = advances[face, substitutes[face, row]].sum()
    np.testing.assert_allclose(atlas.word_widths[face, word], expected, rtol=1e-5)


def test_seven_segments_have_digits_only():
    face = segment_glyphs(CHARACTERS, 0.0)
    assert set(face.glyphs) == set("0123456789-")
    eight, one = (face.glyphs[c].picture for c in "81")
    assert (eight > 127).sum() > 2 * (one > 127).sum()
    assert face.is_fixed_width


def test_small_alphabets_have_words(font_paths):
    atlas = make_atlas(font_paths[:1], "0123456789")
    assert atlas.advances.shape[1] == 10
    codes = make_words("0123456789")
    assert np.all(codes[:, 0] >= 0) and codes.max() == 9


@pytest.mark.parametrize("characters", ["", "a b", "aab", ["ab"]])
def test_bad_characters_are_refused(font_paths, characters):
    with pytest.raises(ParameterValueError, match="single characters"):
        make_atlas(font_paths[:1], characters)


def test_fonts_without_the_characters_are_refused(font_paths):
    with pytest.raises(ParameterValueError, match="at least"):
        make_atlas(font_paths[:1], "\u4e00\u4e01\u4e02")
