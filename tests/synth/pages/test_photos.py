"""Photos as grounds: parts of them, files of them, and pages on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.pages import read_photos
from deepocr_jax.synth.pages.photos import photo_ground, set_on_photo


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


def test_most_scenes_stand_on_photos_and_no_document_does():
    red = jnp.zeros((1, 64, 64, 3), jnp.uint8).at[..., 0].set(255)
    gray, used = jnp.full((3, 64, 64), 0.5), jnp.ones(8, bool)

    @jax.jit
    @jax.vmap
    def make(key, is_scene):
        return set_on_photo(key, red, is_scene, gray, used)

    keys = jax.random.split(jax.random.key(3), 200)
    ground, scenes = make(keys, jnp.ones(200, bool))
    on_photo = np.asarray(ground[:, 0].min(axis=(1, 2)) > 0.9)
    assert 0.7 < on_photo.mean() < 0.9
    blocks = np.asarray(scenes).sum(axis=1)
    assert (blocks[~on_photo] == 8).all()
    assert 0.35 < (blocks[on_photo] < 8).mean() < 0.65
    ground, documents = make(keys, jnp.zeros(200, bool))
    assert (np.asarray(ground) == 0.5).all() and np.asarray(documents).all()


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
