"""After the warm-up nothing is traced, compiled, or loaded from the compilation cache."""

from __future__ import annotations

import cv2
import jax
import numpy as np
import pytest

from deepocr_jax import DeepOCR, apply_deep_ocr, set_deep_ocr_param, warm_up_deep_ocr
from deepocr_jax.infer import compiled
from deepocr_jax.infer.programs import inference_options
from deepocr_jax.reader.handle import rebuilt

pytestmark = pytest.mark.pretrained

COMPILED = "backend_compile_duration"  # Also where the program comes from the cache.
TRACED = "jaxpr_trace_duration"


def images_of_mixed_sizes(sample, count):
    """Parts of the sample: wide, high, small, scaled, turned by quarters and by some degrees."""
    rng = np.random.default_rng(0)
    for index in range(count):
        height, width = rng.integers(30, 500), rng.integers(30, 900)
        row, col = rng.integers(0, 700 - height), rng.integers(0, 1000 - width)
        part = np.rot90(sample[row : row + height, col : col + width], index % 4)
        part = np.ascontiguousarray(part)
        if index % 3 == 1:
            part = cv2.resize(part, None, fx=rng.uniform(0.3, 2), fy=rng.uniform(0.3, 2))
        if index % 3 == 2:
            size = part.shape[1::-1]
            turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), rng.uniform(-40, 40), 1)
            part = cv2.warpAffine(part, turn, size, borderValue=(255, 255, 255))
        yield part


def test_counter_sees_new_shapes_and_cached_programs(compilations):
    def program(x):
        return x * 3 + 1

    run = jax.jit(program)
    run(np.zeros(3))
    assert compilations[COMPILED] == 1 and compilations[TRACED] >= 1
    run(np.ones(3))
    assert compilations[COMPILED] == 1
    run(np.zeros(4))
    assert compilations[COMPILED] == 2
    jax.clear_caches()  # The program is still on disk.
    run(np.zeros(3))
    assert compilations[COMPILED] == 3


@pytest.fixture
def fresh_handle(handle, compilations, monkeypatch):
    """A handle for which nothing is prepared, neither in this process nor on disk."""
    # What earlier tests compiled shall not hide what the warm-up forgets.
    jax.clear_caches()
    compiled.forget_programs()
    inference_options("cpu")  # Compiles what it tries, once a process.
    monkeypatch.setattr(compiled, "_folder", None)
    compilations.clear()
    return DeepOCR(rebuilt(handle.state, ("detector", "recognizer", "orientation")))


@pytest.mark.slow
def test_nothing_compiles_after_the_warm_up(fresh_handle, sample, compilations):
    handle = fresh_handle
    small = next(images_of_mixed_sizes(sample, 1))
    apply_deep_ocr(small, handle)
    assert compilations[COMPILED] >= 2  # The counter sees a reader that was not warmed up.
    count = warm_up_deep_ocr(handle)
    assert compilations[COMPILED] == count
    compilations.clear()

    sizes, words = set(), 0
    for image in images_of_mixed_sizes(sample, 30):
        result = apply_deep_ocr(image, handle)
        sizes.add(result["image"].shape)
        words += len(result["words"]["word"])
    assert len(sizes) > 8 and words > 100
    apply_deep_ocr([sample[300:340], sample[20:110, :500]], handle, "recognition")
    apply_deep_ocr([*images_of_mixed_sizes(sample, 5)], handle)
    set_deep_ocr_param(handle, "detection_orientation", 0)
    set_deep_ocr_param(handle, "detection_tiling", True)
    apply_deep_ocr(sample, handle)
    assert not compilations
