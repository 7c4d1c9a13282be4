from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.data.preprocess import preprocess_dl_samples
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.model_parameters import set_dl_model_param
from deepocr_jax.dl.procedures import (
    augment_dl_samples,
    create_dl_preprocess_param_from_model,
    find_invalid_samples_dl_ocr_recognition,
)
from deepocr_jax.errors import DatasetError, ParameterValueError


@pytest.fixture
def model(tiny_recognizer):
    return DLModel(tiny_recognizer)


def crop(width, height=48, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def samples_of(*widths):
    return [{"image": crop(w, seed=i), "image_id": i, "word": "A"} for i, w in enumerate(widths)]


def test_preprocess_param_of_a_recognizer(model):
    set_dl_model_param(model, "image_width", 320)
    param = create_dl_preprocess_param_from_model(model)
    assert param == {
        "model_type": "ocr_recognition",
        "image_width": 320,
        "image_height": 48,
        "image_num_channels": 3,
        "image_range_min": 0.0,
        "image_range_max": 255.0,
        "normalization_type": "none",
        "domain_handling": "full_domain",
        "augmentation": False,
    }
    (sample,) = preprocess_dl_samples([{"image": crop(1000)}], param)
    assert sample["image"].shape == (48, 320, 3)


def test_preprocess_param_of_a_detector_and_with_constants(tiny_detector):
    param = create_dl_preprocess_param_from_model(
        DLModel(tiny_detector),
        "constant_values",
        "ignore_domain",
        True,
        mean_values_normalization=(1, 2, 3),
        deviation_values_normalization=(4, 5, 6),
    )
    assert param["model_type"] == "ocr_detection"
    assert (param["image_width"], param["image_height"]) == (1024, 1024)
    assert param["mean_values_normalization"] == [1, 2, 3]
    assert param["augmentation"] is True
    with pytest.raises(ParameterValueError, match="normalization_type"):
        create_dl_preprocess_param_from_model(DLModel(tiny_detector), "constant")


def test_invalid_samples_are_found_with_their_reasons(model):
    set_dl_model_param(model, "image_width", 160)
    samples = [
        {"word": "A0"},
        {"word": ""},
        {"word": "AxB"},
        {"word": "0" * 30},
        {"image_file_name": "a.png"},
        {"word": "A" * 10},  # with its blanks as long as the largest crop
        "no sample",
        {"word": "A", "image": crop(20)},
    ]
    indices, reasons = find_invalid_samples_dl_ocr_recognition(samples, model)
    assert indices == [1, 2, 3, 4, 6]
    assert len(reasons) == 5
    assert "'x' (U+0078)" in reasons[1]
    assert "needs 59 frames" in reasons[2]
    assert "has 20" in reasons[2]
    assert "read_dl_dataset_ocr_recognition" in reasons[3]


@pytest.mark.parametrize("size", ["image", "box", "scalar box"])
def test_the_size_of_the_crop_counts(model, size):
    """At 48 rows the crop has 240 columns, so 30 frames; as high again, it has half of these."""

    def sample(height):
        if size == "image":
            return {"word": "0A" * 12, "image": np.zeros((height, 480, 3), np.uint8)}
        box = {"bbox_length1": 240.0, "bbox_length2": height / 2}
        return {"word": "0A" * 12, **box}

    assert find_invalid_samples_dl_ocr_recognition([sample(96), sample(192)], model)[0] == [1]


@pytest.mark.parametrize(
    "sample",
    [
        {"word": "A", "image": np.zeros((0, 4, 3), np.uint8)},
        {"word": "A", "bbox_length1": float("nan"), "bbox_length2": 3},
        {"word": "A", "bbox_length1": 1e400, "bbox_length2": 3},
        {"word": "A", "bbox_length1": [3], "bbox_length2": None},
        {"word": None, "image": 3},
        {"word": "A", "image": None},
        {},
        None,
    ],
)
def test_broken_samples_do_not_break_the_search(model, sample):
    find_invalid_samples_dl_ocr_recognition([sample], model)


def test_invalid_samples_need_a_recognizer_and_a_sequence(model, tiny_detector):
    with pytest.raises(ParameterValueError, match="ocr_detection"):
        find_invalid_samples_dl_ocr_recognition([], DLModel(tiny_detector))
    with pytest.raises(ParameterValueError, match=r'dataset\["samples"\]'):
        find_invalid_samples_dl_ocr_recognition({"samples": []}, model)  # type: ignore[arg-type]


CHANGES = {"brightness_variation": 0.3, "rotate_range": 4, "remove_pixel": 3}


def test_augmentation_keeps_sizes_labels_and_the_given_samples():
    samples = samples_of(8, 160, 161, 57)
    before = [s["image"].copy() for s in samples]
    changed = augment_dl_samples(samples, 100, **CHANGES)
    for sample, old, new in zip(samples, before, changed, strict=True):
        np.testing.assert_array_equal(sample["image"], old)
        assert new["image"].shape == old.shape
        assert new["image"].dtype == np.uint8
        assert (new["image"] != old).any()
        assert (new["image_id"], new["word"]) == (sample["image_id"], "A")


def test_a_change_depends_on_the_seed_and_the_position_alone():
    samples = samples_of(*range(40, 60))
    first = augment_dl_samples(samples, 100, **CHANGES)
    again = augment_dl_samples(samples[:3], 100, **CHANGES)
    other = augment_dl_samples(samples[:3], 100, **CHANGES, seed=7)
    for a, b, c in zip(first[:3], again, other, strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])
        assert (a["image"] != c["image"]).any()


def test_the_share_of_changed_samples():
    samples = samples_of(*[64] * 64)
    results = augment_dl_samples(samples, 50, brightness_variation=0.3)
    pairs = list(zip(samples, results, strict=True))
    changed = sum(bool((a["image"] != b["image"]).any()) for a, b in pairs)
    assert 16 < changed < 48


@pytest.mark.parametrize("options", [{}, {"augmentation_percentage": 0, **CHANGES}])
def test_nothing_to_do_gives_copies(options):
    samples = samples_of(30)
    (result,) = augment_dl_samples(samples, **options)
    np.testing.assert_array_equal(result["image"], samples[0]["image"])
    assert not np.shares_memory(result["image"], samples[0]["image"])
    assert augment_dl_samples([], **options) == []


@pytest.mark.parametrize(
    "options",
    [
        {"rotate_range": 6},
        {"rotate_range": -1},
        {"rotate_range": "much"},
        {"brightness_variation": 2},
        {"augmentation_percentage": 101},
        {"seed": -1},
        {"seed": 1.5},
    ],
)
def test_values_out_of_range_are_named(options):
    with pytest.raises(ParameterValueError, match=next(iter(options))):
        augment_dl_samples(samples_of(20), **options)


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        ({"image": crop(20), "bbox_row": [3.0]}, "apart from crops"),
        ({"image": crop(20, height=40)}, r"\[40, 20, 3\]; preprocess"),
        ({"image": crop(20).astype(np.float32)}, "float32"),
        ({"image": crop(3000)}, "2048"),
        ({"word": "A"}, "got none"),
    ],
)
def test_only_preprocessed_recognition_samples_are_taken(sample, text):
    with pytest.raises(DatasetError, match=text):
        augment_dl_samples([*samples_of(20), sample], **CHANGES)
