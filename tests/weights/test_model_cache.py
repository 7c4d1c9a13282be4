"""Converted models in the cache, and what a start with filled caches does without."""

import subprocess
import sys

import numpy as np
import pytest

from deepocr_jax.checkpoint import ModelCheckpoint, variables_sha256
from deepocr_jax.errors import ModelFileError
from deepocr_jax.weights.model_cache import VALUES_FILE, read_cached_model, write_cached_model

SCRIPT = """
import sys
import deepocr_jax
deepocr_jax.create_deep_ocr()
print([name for name in ("orbax.checkpoint", "optax", "tensorflow", "onnx") if name in sys.modules])
"""


def model(seed: int = 0) -> ModelCheckpoint:
    rng = np.random.default_rng(seed)
    layers = {
        "b": {"kernel": rng.normal(size=(3, 4)).astype(np.float32), "scale": np.float32([2])},
        "a": {"bias": np.zeros((0,), np.float32), "gain": np.float32(rng.normal()).reshape(())},
    }
    return ModelCheckpoint("ocr_detection", {"depth": 2}, {"params": layers}, alphabet=("ä", " "))


def test_a_model_comes_back_as_it_was(tmp_path):
    write_cached_model(tmp_path / "m", model())
    read = read_cached_model(tmp_path / "m")
    assert (read.kind, read.spec, read.alphabet) == ("ocr_detection", {"depth": 2}, ("ä", " "))
    assert variables_sha256(read.variables) == variables_sha256(model().variables)


def test_the_first_of_two_writers_wins(tmp_path):
    write_cached_model(tmp_path / "m", model(0))
    write_cached_model(tmp_path / "m", model(1))
    read = read_cached_model(tmp_path / "m")
    assert variables_sha256(read.variables) == variables_sha256(model(0).variables)


def test_other_types_than_float32_are_refused(tmp_path):
    half = ModelCheckpoint("ocr_detection", {}, {"params": {"w": np.zeros(2, np.float64)}})
    with pytest.raises(TypeError):
        write_cached_model(tmp_path / "m", half)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("length", [None, 0, 60, -1])
def test_missing_or_cut_values_are_an_error_that_names_the_folder(tmp_path, length):
    write_cached_model(tmp_path / "m", model())
    file = tmp_path / "m" / VALUES_FILE
    content = file.read_bytes()
    file.unlink()
    if length is not None:
        file.write_bytes(content[:length])
    with pytest.raises(ModelFileError, match="remove its folder") as error:
        read_cached_model(tmp_path / "m")
    assert str(tmp_path / "m") in str(error.value)


def test_values_of_another_model_are_noticed(tmp_path):
    for seed in (0, 1):
        write_cached_model(tmp_path / str(seed), model(seed))
    other = (tmp_path / "1" / VALUES_FILE).read_bytes()
    (tmp_path / "0" / VALUES_FILE).write_bytes(other)
    with pytest.raises(ModelFileError, match="checksums differ"):
        read_cached_model(tmp_path / "0")


@pytest.mark.pretrained
def test_a_handle_from_the_cache_loads_no_package_for_writing_or_training(shared_handle):
    assert shared_handle.state.recognition is not None  # So the cache is filled.
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "[]\n"), found.stderr
