"""Odd and broken images. Random weights suffice: a network's answer is no matter here."""

from __future__ import annotations

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from deepocr_jax import (
    ImageBatchError,
    ImageError,
    ImageFormatError,
    ImageReadError,
    ImageSizeError,
    apply_deep_ocr,
    get_deep_ocr_param,
    set_deep_ocr_param,
)

MODES = ("auto", "detection", "recognition")


@pytest.fixture
def fast(tiny_handle):
    """The random networks at a size that is computed in no time."""
    set_deep_ocr_param(tiny_handle, "detection_image_size", (128, 128))
    set_deep_ocr_param(tiny_handle, "recognition_image_width", 96)
    return tiny_handle


def picture(height=60, width=90, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(image, kind):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def png_header(width, height):
    """A PNG file that promises pixels and holds none."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


# --- files --------------------------------------------------------------------------------------


JPEG = encoded(picture(), "JPEG")
PNG = encoded(picture(), "PNG")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", ImageReadError, "empty"),
        (JPEG[: len(JPEG) // 2], ImageReadError, "truncated or damaged"),
        (PNG[: len(PNG) // 2], ImageReadError, "truncated or damaged"),
        (b"Dear reader, this is text.\n" * 20, ImageReadError, "none of them"),
        (png_header(20_000, 20_000), ImageSizeError, "more than the limit"),
        (png_header(100, 100), ImageReadError, "truncated or damaged"),
    ],
    ids=["empty", "half a JPEG", "half a PNG", "text", "huge PNG", "hollow PNG"],
)
def test_broken_files_are_refused_with_their_name(fast, tmp_path, data, error, message):
    path = tmp_path / "scan-17.png"
    path.write_bytes(data)
    for source in (path, str(path)):
        with pytest.raises(error, match=message) as caught:
            apply_deep_ocr(source, fast)
        assert "scan-17.png" in str(caught.value)
    with pytest.raises(error, match=message):
        apply_deep_ocr(data, fast)


def test_missing_file_and_folder_are_refused(fast, tmp_path):
    with pytest.raises(ImageReadError, match=r"gone\.png"):
        apply_deep_ocr(tmp_path / "gone.png", fast)
    with pytest.raises(ImageReadError, match="directory"):
        apply_deep_ocr(tmp_path, fast)


def test_limit_of_pixels_is_a_parameter(fast):
    set_deep_ocr_param(fast, "image_max_pixels", 60 * 90 - 1)
    for source in (picture(), PNG):
        with pytest.raises(ImageSizeError, match="more than the limit"):
            apply_deep_ocr(source, fast)
    set_deep_ocr_param(fast, "image_max_pixels", 60 * 90)
    apply_deep_ocr([picture(), PNG], fast)


def test_every_form_of_an_image_gives_the_same(fast, tmp_path):
    path = tmp_path / "page.png"
    path.write_bytes(PNG)
    expected = apply_deep_ocr(picture(), fast, "detection")["score_maps"]
    for source in (path, str(path), PNG):
        result = apply_deep_ocr(source, fast, "detection")
        np.testing.assert_array_equal(result["score_maps"], expected)


# --- arrays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (1, 5000), (5000, 1), (3, 3), (31, 33), (200, 7)]
)
def test_odd_sizes_are_read(fast, size, mode):
    result = apply_deep_ocr(picture(*size), fast, mode)
    assert result["image"].dtype == np.uint8
    if mode != "recognition":
        words = result["words"]
        assert all(np.isfinite(words[k]).all() for k in ("row", "col", "phi", "length1", "length2"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_images_without_pixels_are_refused(fast, size, mode):
    with pytest.raises(ImageSizeError, match="empty"):
        apply_deep_ocr(np.zeros((*size, 3), np.uint8), fast, mode)


@pytest.mark.parametrize(
    "array",
    [
        picture()[..., 0],
        picture()[..., :1],
        np.dstack([picture(), np.full((60, 90), 128, np.uint8)]),
        picture().astype(np.uint16) * 257,
        picture().astype(np.float32) / 255,
        picture().astype(np.float64) / 255,
        (picture() / 255).astype(np.float16),
        picture() > 127,
        picture().astype(np.int64),
        picture()[::-1, ::2],
        np.asfortranarray(picture()),
        picture()[..., ::-1],
    ],
    ids=[
        "gray", "gray with an axis", "RGBA", "16 bits", "float32", "float64", "float16", "bool",
        "int64", "strided", "column major", "reversed channels",
    ],
)  # fmt: skip
def test_arrays_of_plain_meaning_are_read(fast, array):
    result = apply_deep_ocr(array, fast)
    assert result["image"].dtype == np.uint8 and result["image"].shape[2] == 3


def test_16_bit_and_float_arrays_mean_the_same_as_8_bits(fast):
    expected = apply_deep_ocr(picture(), fast, "detection")["score_maps"]
    for same in (picture().astype(np.uint16) * 257, picture() / 255, picture().astype(int)):
        result = apply_deep_ocr(same, fast, "detection")
        np.testing.assert_array_equal(result["score_maps"], expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (picture().astype(np.float32), "divide"),
        (picture().astype(np.int32) * 300, "uint16"),
        (np.full((5, 5), np.nan), "NaN"),
        (-picture().astype(np.int16), "0..255"),
        (np.zeros((5, 5, 2), np.uint8), "shape"),
        (np.zeros((3, 50, 50), np.uint8), "moveaxis"),
        (np.zeros((2, 50, 50, 3), np.uint8), "one by one"),
        (np.zeros(5, np.uint8), "shape"),
        (np.array(7, np.uint8), "shape"),
        (np.zeros((5, 5), complex), "complex"),
        (np.array([["a"]]), "dtype"),
        (np.array([[None]]), "dtype"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_arrays_without_plain_meaning_are_refused(fast, array, message):
    with pytest.raises(ImageFormatError, match=message):
        apply_deep_ocr(array, fast)


@pytest.mark.pretrained
@pytest.mark.parametrize(
    "image",
    [
        np.full((400, 400, 3), 255, np.uint8),
        np.zeros((400, 400, 3), np.uint8),
        picture(400, 400),
        picture(1, 1),
        pytest.param(picture(1, 5000), marks=pytest.mark.slow),
        pytest.param(picture(5000, 1), marks=pytest.mark.slow),
    ],
    ids=["white", "black", "noise", "1x1", "1x5000", "5000x1"],
)
def test_images_without_text_hold_no_words(shared_handle, image):
    result = apply_deep_ocr(image, shared_handle)
    assert result["words"]["word"] == []
    assert all(len(v) == 0 for v in result["words"].values())
    alone = apply_deep_ocr(image, shared_handle, "recognition")
    assert alone["confidence"] <= 1 and len(alone["word"]) == len(alone["char_candidates"])


@pytest.mark.pretrained
@pytest.mark.parametrize("value", [0, 127, 255])
def test_blank_crops_read_as_nothing(shared_handle, value):
    result = apply_deep_ocr(np.full((40, 120), value, np.uint8), shared_handle, "recognition")
    assert (result["word"], result["char_candidates"], result["confidence"]) == ("", [], 0)


# --- sequences ----------------------------------------------------------------------------------


def test_one_bad_among_good_leaves_the_others(fast, tmp_path):
    good, other = picture(), picture(40, 50, seed=1)
    with pytest.raises(ImageBatchError, match="2 of 4 images failed") as caught:
        apply_deep_ocr([good, b"no image", other, tmp_path / "gone.png"], fast, "detection")
    results, errors = caught.value.results, caught.value.errors
    assert [r is None for r in results] == [False, True, False, True]
    assert list(errors) == [1, 3] and all(isinstance(e, ImageReadError) for e in errors.values())
    for image, result in ((good, results[0]), (other, results[2])):
        expected = apply_deep_ocr(image, fast, "detection")
        np.testing.assert_array_equal(result["score_maps"], expected["score_maps"])


def test_all_bad_is_a_batch_error_too(fast):
    with pytest.raises(ImageBatchError) as caught:
        apply_deep_ocr([b"", b"text"], fast)
    assert caught.value.results == [None, None]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("empty", [[], (), iter([])], ids=["list", "tuple", "iterator"])
def test_no_images_give_no_results(fast, empty, mode):
    assert apply_deep_ocr(empty, fast, mode) == []


def test_sequences_of_any_kind_are_taken(fast):
    images = [picture(40, 50, seed=i) for i in range(3)]
    expected = [apply_deep_ocr(i, fast, "detection")["score_maps"] for i in images]
    for sequence in (images, tuple(images), (i for i in images), iter(images)):
        results = apply_deep_ocr(sequence, fast, "detection")
        assert isinstance(results, list) and len(results) == 3
        for result, scores in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result["score_maps"], scores)


def test_a_list_of_one_gives_a_list_of_one(fast):
    assert len(apply_deep_ocr([picture()], fast)) == 1


@pytest.mark.parametrize("value", [None, 5, object(), {"image": 1}], ids=lambda v: type(v).__name__)
def test_what_is_no_image_is_refused_by_name(fast, value):
    with pytest.raises(ImageError, match=type(value).__name__):
        apply_deep_ocr([value], fast) if isinstance(value, dict) else apply_deep_ocr(value, fast)


def test_pure_paths_are_paths(fast, tmp_path):
    (tmp_path / "page.png").write_bytes(PNG)
    result = apply_deep_ocr(pathlib.PurePath(tmp_path / "page.png"), fast, "detection")
    assert isinstance(result, dict)


# --- anything -----------------------------------------------------------------------------------


SIDES = st.integers(0, 12)
SHAPES = st.one_of(
    st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.integers(0, 5)), st.tuples(SIDES)
)
DTYPES = st.sampled_from(["u1", "u2", "i2", "f2", "f4", "f8", "?", "i8"])
ARRAYS = st.tuples(DTYPES, SHAPES).flatmap(lambda a: hnp.arrays(*a))


@given(ARRAYS, st.sampled_from(MODES))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_array_is_read_or_refused(fast, array, mode):
    try:
        result = apply_deep_ocr(array, fast, mode)
    except ImageError as error:
        assert len(str(error)) > 20
    else:
        assert array.size and result["image"].dtype == np.uint8


MAGIC = st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0"])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.binary(max_size=60), MAGIC)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_refused(fast, tail, magic):
    with pytest.raises(ImageError) as caught:
        apply_deep_ocr(magic + tail, fast)
    assert len(str(caught.value)) > 20


def test_fast_handle_is_as_small_as_said(fast):
    assert get_deep_ocr_param(fast, "detection_image_size") == [128, 128]
