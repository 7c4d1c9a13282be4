"""Photos as grounds: parts of them, files of them, and pages on them."""

import jax
import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.pages import read_photos, synthesize_pages
from deepocr_jax.synth.pages.photos import photo_ground


@pytest.fixture
def photos():
    """Two photos whose pixels tell the photo, the row and the column."""
    rows, cols = np.mgrid[:96, :112]
    return np.stack([np.stack([np.full_like(rows, 200 + n), rows, cols], -1) for n in (0, 1)])


def test_a_ground_is_made_of_parts_of_photos(photos):
    make = jax.jit(lambda key, x: photo_ground(key, x, (64, 64)))
    seen = set()
    for seed in range(30):
        ground = 255 * np.asarray(make(jax.random.key(seed), photos.astype(np.uint8)))
        number, row, col = np.rint(ground).astype(int)
        seen |= set(np.unique(number))
        # Along a row or column of one photo, and where no other one begins, steps are of 1.
        steps = np.abs(np.diff(col, axis=1)) == 1
        assert steps.mean() > 0.9
        assert row.min() >= 0 and row.max() < 96 and col.max() < 112
        assert (np.diff(row, axis=0) == 1).mean() > 0.9
    assert seen == {200, 201}


def test_scenes_stand_on_photos_and_documents_do_not(atlas):
    red = np.zeros((1, 64, 64, 3), np.uint8) + np.array([255, 0, 0], np.uint8)

    def redness(scenes):
        pages = jax.jit(lambda key: synthesize_pages(atlas, key, 12, 64, 64, 25, scenes, red))
        image = np.asarray(pages(jax.random.key(3)).images).astype(float)
        return (image[..., 0] - image[..., 1:].mean(-1)).mean(axis=(1, 2))

    assert (redness(1.0) > 60).sum() >= 6
    assert (redness(0.0) > 60).sum() == 0


def test_files_of_photos_are_checked(tmp_path, photos):
    path = tmp_path / "photos.npy"
    np.save(path, photos.astype(np.uint8))
    assert read_photos(path, 96, 112).shape == (2, 96, 112, 3)
    with pytest.raises(ParameterValueError, match=r"128 or more.*got uint8 \[2, 96, 112, 3\]"):
        read_photos(path, 128, 128)
    np.save(path, photos.astype(np.float32))
    with pytest.raises(ParameterValueError, match="expected a file of uint8"):
        read_photos(path, 64, 64)
    path.write_bytes(b"no array")
    with pytest.raises(ParameterValueError, match="cut_photos"):
        read_photos(path, 64, 64)
    with pytest.raises(ParameterValueError, match="could not read"):
        read_photos(tmp_path / "absent.npy", 64, 64)
