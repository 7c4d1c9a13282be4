from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.data.mixtures import MixedSource
from deepocr_jax.data.sources import ArraySource


def crops(widths, words, ids=None):
    rng = np.random.default_rng(len(widths))
    images = [rng.integers(0, 256, (48, w, 3), np.uint8) for w in widths]
    return ArraySource(images, words, ids)


@pytest.fixture
def parts():
    return crops([8, 20], ["a", "b"], [5, 7]), crops([30, 40, 50], ["x", "y", "z"])


def test_the_dataset_comes_as_often_as_asked_for_and_the_made_crops_once(parts):
    mixed = MixedSource(*parts, repeats=2)
    assert len(mixed) == 7
    assert [mixed.word(i) for i in range(7)] == ["a", "b", "a", "b", "x", "y", "z"]
    assert mixed.widths.tolist() == [8, 20, 8, 20, 30, 40, 50]
    assert list(mixed.ids) == [5, 7, 5, 7, -2, -3, -4]
    for index in range(7):
        assert mixed.crop(index).shape == (48, mixed.widths[index], 3)
    np.testing.assert_array_equal(mixed.crop(3), parts[0].crop(1))
    np.testing.assert_array_equal(mixed.crop(6), parts[1].crop(2))


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_outside_is_refused(parts, index):
    with pytest.raises(IndexError):
        MixedSource(*parts).word(index)
