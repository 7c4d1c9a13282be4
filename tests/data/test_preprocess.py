import numpy as np
import pytest

from deepocr_jax.data.preprocess import (
    check_dl_preprocess_param,
    create_dl_preprocess_param,
    preprocess_dl_samples,
)
from deepocr_jax.errors import DatasetError, ParameterValueError, UnknownParameterError
from deepocr_jax.geometry.boxes import boxes_to_quads

RNG = np.random.default_rng(0)
BOX_KEYS = ("bbox_row", "bbox_col", "bbox_phi", "bbox_length1", "bbox_length2")


def random_image(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def recognition(**others):
    return create_dl_preprocess_param("ocr_recognition", 640, 48, **others)


@pytest.mark.parametrize("size", [(48, 100), (20, 90), (200, 300), (10, 120), (300, 3)])
def test_a_crop_is_what_inference_reads(size, monkeypatch):
    pipeline = pytest.importorskip("deepocr_jax.infer.pipeline")
    seen = []
    monkeypatch.setattr(pipeline, "read_words", lambda crops, *_: seen.extend(crops) or [])
    monkeypatch.setattr(pipeline, "zip", lambda *_, strict: [], raising=False)
    image = random_image(*size)
    settings = pipeline.RecognitionSettings(max_width=640)
    pipeline.read_word_images([image], None, settings)
    [sample] = preprocess_dl_samples([{"image": image, "word": "a"}], recognition())
    np.testing.assert_array_equal(sample["image"], seen[0])
    assert sample["image"].dtype == np.uint8 and sample["word"] == "a"


def test_a_crop_that_is_too_wide_is_squeezed():
    """Inference reads it in pieces; a step of training has one canvas for it."""
    [sample] = preprocess_dl_samples([{"image": random_image(10, 900)}], recognition())
    assert sample["image"].shape == (48, 640, 3)


def test_detection_keeps_the_aspect_ratio_and_takes_boxes_along():
    param = create_dl_preprocess_param("ocr_detection", 200, 100)
    sample = {"image": random_image(50, 50), "image_id": 3}
    sample |= dict(zip(BOX_KEYS, ([24.5], [10.0], [0.3], [9.0], [4.0]), strict=True))
    [new] = preprocess_dl_samples([sample], param)
    assert new["image"].shape == (100, 200, 3)
    assert new["image"][:, :100].any() and not new["image"][:, 100:].any()
    assert [new[k][0] for k in BOX_KEYS] == pytest.approx([49.5, 20.5, 0.3, 18.0, 8.0])
    assert sample["bbox_row"] == [24.5]


def test_other_models_stretch_boxes_of_both_kinds():
    param = create_dl_preprocess_param("detection", 100, 20)
    sample = {"image": random_image(40, 50)}
    sample |= {"bbox_row1": [4.0], "bbox_col1": [5.0], "bbox_row2": [9.5], "bbox_col2": [10.5]}
    sample |= dict(zip(BOX_KEYS, ([20.0], [30.0], [0.0], [9.0], [4.0]), strict=True))
    [new] = preprocess_dl_samples([sample], param)
    assert new["image"].shape == (20, 100, 3)
    got = [new[f"bbox_{k}"][0] for k in ("row1", "col1", "row2", "col2")]
    assert got == pytest.approx([1.75, 10.5, 4.5, 21.5])
    assert [new[k][0] for k in BOX_KEYS] == pytest.approx([9.75, 60.5, 0, 18.0, 2.0])
    quad = boxes_to_quads(np.array([[new[k][0] for k in BOX_KEYS]]))
    assert quad.shape == (1, 4, 2)


def test_samples_without_boxes_and_label_images():
    param = create_dl_preprocess_param("segmentation", 8, 4)
    mask = np.repeat(np.repeat(np.arange(8).reshape(2, 4), 4, 0), 4, 1).astype(np.uint16)
    sample = {"image": random_image(8, 16), "segmentation_image": mask, "bbox_row": []}
    sample |= {k: [] for k in BOX_KEYS}
    [new] = preprocess_dl_samples([sample], param)
    np.testing.assert_array_equal(new["segmentation_image"], mask[::2, ::2])
    assert new["bbox_row"] == [] and new["segmentation_image"].dtype == np.uint16


def test_ranges_and_normalizations():
    image = np.array([[[0, 51, 255], [102, 51, 0]]], np.uint8).repeat(2, 0)

    def values(**others):
        param = create_dl_preprocess_param("classification", 2, 2, **others)
        out = preprocess_dl_samples([{"image": image}], param)[0]["image"]
        assert out.dtype == (np.float32 if others else np.uint8)
        return out[0]

    unit = {"image_range_min": -1.0, "image_range_max": 1.0}
    np.testing.assert_array_equal(values(), image[0])
    np.testing.assert_allclose(values(**unit), image[0] / 127.5 - 1, atol=1e-6)
    first = values(normalization_type="first_channel", **unit)
    np.testing.assert_allclose(first, [[-1, 0, 1], [1, 0, -1]], atol=1e-6)
    each = values(normalization_type="all_channels", **unit)
    np.testing.assert_allclose(each, [[-1, -1, 1], [1, -1, -1]], atol=1e-6)
    constant = values(
        normalization_type="constant_values",
        mean_values_normalization=(1, 2, 3),
        deviation_values_normalization=[2, 4, 8],
    )
    np.testing.assert_allclose(constant, (image[0] - [1.0, 2, 3]) / [2, 4, 8], atol=1e-5)


def test_gray_models():
    param = create_dl_preprocess_param("classification", 5, 6, 1)
    [new] = preprocess_dl_samples([{"image": random_image(9, 9)}], param)
    assert new["image"].shape == (6, 5, 1)


def test_unknown_keys_are_suggested():
    with pytest.raises(UnknownParameterError, match="image_width"):
        check_dl_preprocess_param({**recognition(), "image_widht": 3})
    param = recognition()
    del param["image_width"]
    with pytest.raises(ParameterValueError, match="image_width"):
        check_dl_preprocess_param(param)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "ocr_recogniton"),
        ("image_width", 0),
        ("image_width", 64.0),
        ("image_width", True),
        ("image_height", 32),
        ("image_num_channels", 1),
        ("image_range_max", 0.0),
        ("image_range_min", float("nan")),
        ("normalization_type", "nome"),
        ("normalization_type", ["none"]),
        ("normalization_type", "constant_values"),
        ("domain_handling", "crop_domain"),
        ("augmentation", "false"),
        ("mean_values_normalization", [1.0, 2.0, 3.0]),
    ],
)
def test_values_out_of_range(key, value):
    with pytest.raises(ParameterValueError, match="Expected"):
        check_dl_preprocess_param({**recognition(), key: value})


@pytest.mark.parametrize("deviation", [[1.0, 2.0], [1.0, 0.0, 1.0], [1.0, float("inf"), 1.0]])
def test_constants_that_do_not_fit(deviation):
    with pytest.raises(ParameterValueError, match="deviation"):
        recognition(
            normalization_type="constant_values",
            mean_values_normalization=[1.0, 2.0, 3.0],
            deviation_values_normalization=deviation,
        )


def test_samples_that_cannot_be_used():
    with pytest.raises(DatasetError, match="gen_dl_samples"):
        preprocess_dl_samples([{"word": "a"}], recognition())
    param = create_dl_preprocess_param("detection", 10, 10)
    for rows in (["x"], [1.0, 2.0]):
        sample = {k: [1.0] for k in BOX_KEYS} | {"bbox_row": rows}
        with pytest.raises(DatasetError, match="find_faults"):
            preprocess_dl_samples([{"image": random_image(9, 9), **sample}], param)
