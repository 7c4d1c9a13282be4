"""Random changes of colour and sharpness, and what holds for all of them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from deepocr_jax.augment.images import LUMINANCE, augment
from deepocr_jax.augment.options import LIMITS, AugmentOptions, is_active, parse_augmentation
from deepocr_jax.errors import ParameterValueError, UnknownParameterError

HEIGHT, WIDTH, COUNT = 16, 48, 64
STRONG = {
    "brightness_variation": 0.3,
    "contrast_variation": 0.5,
    "saturation_variation": 0.8,
    "rotate_range": 20.0,
    "remove_pixel": 4.0,
    "stretch": 0.4,
    "perspective": 0.2,
    "blur": 2.0,
    "noise": 20.0,
    "compression": 0.8,
}
COLOURS = ("brightness_variation", "contrast_variation", "saturation_variation", "noise")
WARPS = ("rotate_range", "remove_pixel", "stretch", "perspective")
ALL = AugmentOptions(100.0, **STRONG)
run = jax.jit(augment, static_argnums=3)


def pictures(count=COUNT, low=0, high=256, seed=0):
    shape = count, HEIGHT, WIDTH, 3
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.uint8)


def keys(count=COUNT, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def whole(count=COUNT):
    return np.full(count, WIDTH, np.int32)


def changed(images, **ranges):
    """Every image changed by the given options only."""
    options = AugmentOptions(100.0, **ranges)
    return np.asarray(run(keys(len(images)), images, whole(len(images)), options))


# --- what holds for all changes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [AugmentOptions(100.0), AugmentOptions(0.0, **STRONG)], ids=["none", "of nobody"]
)
def test_nothing_to_change_is_the_identity(options):
    images = pictures()
    same = run(keys(), images, whole(), options)
    assert same.dtype == np.float32 and not is_active(options)
    np.testing.assert_array_equal(same, images)


@pytest.mark.parametrize("name", STRONG)
def test_each_option_does_something_within_the_values_of_an_image(name):
    images = pictures()
    result = changed(images, **{name: STRONG[name]})
    assert result.shape == images.shape and result.dtype == np.float32
    assert result.min() >= 0 and result.max() <= 255
    differences = np.abs(result - images).max(axis=(1, 2, 3))
    # A random change may be as good as none, but hardly a quarter of them.
    assert np.mean(differences > 0.5) > 0.75
    assert len(np.unique(differences.round(3))) > COUNT // 2


def test_options_that_are_almost_nothing_change_almost_nothing():
    images = pictures()
    result = changed(images, **dict.fromkeys(STRONG, 1e-4))
    # The largest difference of two neighbours is 255; a pixel moves by less than a hundredth.
    assert np.abs(result - images).max() < 2.6


def test_share_of_changed_images_is_the_percentage():
    count = 400
    options = AugmentOptions(30.0, noise=20.0)
    images = pictures(count)
    result = run(keys(count), images, whole(count), options)
    share = np.mean(np.any(np.asarray(result) != images, axis=(1, 2, 3)))
    assert 0.18 < share < 0.42  # Five standard deviations.


def test_a_change_depends_on_the_own_key_only():
    images, widths = pictures(), np.random.default_rng(1).integers(8, WIDTH + 1, COUNT)
    result = np.asarray(run(keys(), images, widths, ALL))
    again = np.asarray(run(keys(), images, widths, ALL))
    np.testing.assert_array_equal(result, again)
    order = np.random.default_rng(2).permutation(COUNT)
    others = np.asarray(run(keys()[order], images[order], widths[order], ALL))
    np.testing.assert_allclose(others, result[order], atol=1e-2)
    part = [3, 7, 8]
    few = np.asarray(run(keys()[np.array(part)], images[part], widths[part], ALL))
    np.testing.assert_allclose(few, result[part], atol=1e-2)
    other_keys = np.asarray(run(keys(seed=5), images, widths, ALL))
    assert np.all(np.abs(other_keys - result).max(axis=(1, 2, 3)) > 1)


@pytest.mark.parametrize(
    "names", [("blur",), ("compression",), WARPS, COLOURS], ids=["blur", "blocks", "warp", "colour"]
)
def test_what_lies_in_the_padding_does_not_matter(names):
    options = AugmentOptions(100.0, **{name: STRONG[name] for name in names})
    inside, black = 29, pictures(16)
    black[:, :, inside:] = 0
    bright = black.copy()
    bright[:, :, inside:] = 255
    widths = np.full(16, inside, np.int32)
    results = [np.asarray(run(keys(16), x, widths, options)) for x in (black, bright)]
    np.testing.assert_allclose(results[0][:, :, :inside], results[1][:, :, :inside], atol=1e-2)


def test_equal_options_share_a_program():
    traced = []

    def counted(keys, images, widths, options):
        traced.append(options)
        return augment(keys, images, widths, options)

    program = jax.jit(counted, static_argnums=3)
    for _ in range(3):
        program(keys(4), pictures(4), whole(4), AugmentOptions(50.0, noise=3.0))
    assert len(traced) == 1
    program(keys(4), pictures(4), whole(4), AugmentOptions(50.0, noise=4.0))
    assert len(traced) == 2


# --- one by one ---------------------------------------------------------------------------------


def test_brightness_shifts_all_pixels_alike_within_the_range():
    images = pictures(low=100, high=150)
    shift = changed(images, brightness_variation=0.2) - images
    np.testing.assert_allclose(shift, shift[:, :1, :1, :1] * np.ones_like(shift), atol=1e-3)
    shift = shift[:, 0, 0, 0]
    assert np.abs(shift).max() <= 0.2 * 255 + 1e-3
    assert shift.min() < -0.1 * 255 and shift.max() > 0.1 * 255


def test_contrast_scales_about_the_mean_within_the_range():
    images = pictures(low=110, high=140)
    result = changed(images, contrast_variation=0.5)
    axes = (1, 2, 3)
    np.testing.assert_allclose(result.mean(axis=axes), images.mean(axis=axes), atol=1e-2)
    factor = result.std(axis=axes) / images.std(axis=axes)
    assert factor.min() >= 1 / 1.5 - 1e-4 and factor.max() <= 1.5 + 1e-4
    assert factor.min() < 0.8 and factor.max() > 1.25


def test_saturation_keeps_the_luminance_and_gray():
    images = pictures(low=90, high=160)
    result = changed(images, saturation_variation=0.8)
    np.testing.assert_allclose(result @ LUMINANCE, images @ np.array(LUMINANCE), atol=1e-2)
    colour = (result - (result @ LUMINANCE)[..., None]).std(axis=(1, 2, 3))
    factor = colour / (images - (images @ np.array(LUMINANCE))[..., None]).std(axis=(1, 2, 3))
    assert factor.min() >= 0.2 - 1e-3 and factor.max() <= 1.8 + 1e-3
    gray = np.repeat(images[..., :1], 3, axis=-1)
    np.testing.assert_allclose(changed(gray, saturation_variation=0.8), gray, atol=1e-2)


def test_blur_spreads_a_point_and_keeps_the_sum():
    point = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8)
    point[:, 8, 20] = 200
    result = changed(point, blur=2.0)
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 200, rtol=1e-4)
    rows = np.arange(HEIGHT) - 8
    profile = result[..., 0].sum(axis=2) / 200
    deviation = np.sqrt((profile * rows**2).sum(axis=1))
    assert deviation.max() <= 2.0 and deviation.max() > 1.0 and deviation.min() < 0.7
    np.testing.assert_allclose(profile[:, 1:], profile[:, :0:-1], atol=1e-4)


def test_blur_repeats_the_border():
    flat = np.full((COUNT, HEIGHT, WIDTH, 3), 77, np.uint8)
    np.testing.assert_allclose(changed(flat, blur=3.0), flat, atol=1e-2)


def test_noise_has_no_mean_and_a_deviation_within_the_range():
    flat = np.full((COUNT, HEIGHT, WIDTH, 3), 128, np.uint8)
    noise = changed(flat, noise=12.0) - flat
    deviation = noise.std(axis=(1, 2, 3))
    assert deviation.max() < 12 * 1.1 and deviation.max() > 8 and deviation.min() < 4
    assert np.abs(noise.mean()) < 0.5
    pixels = noise.reshape(COUNT, -1)
    assert np.abs(np.corrcoef(pixels) - np.eye(COUNT)).max() < 0.15


# --- options ------------------------------------------------------------------------------------


def test_options_of_a_dictionary():
    options = parse_augmentation({"augmentation_percentage": 20, "rotate_range": 5})
    assert options == AugmentOptions(augmentation_percentage=20, rotate_range=5)
    assert parse_augmentation({}) == AugmentOptions()
    assert hash(options) == hash(dataclasses.replace(options))
    assert {field.name for field in dataclasses.fields(AugmentOptions)} == set(LIMITS)


def test_unknown_option_is_named_with_the_closest():
    with pytest.raises(UnknownParameterError, match="'rotate_rang'.*'rotate_range'"):
        parse_augmentation({"rotate_rang": 5})


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [-0.1, "limit", np.nan, np.inf, "1", None, True], ids=repr)
def test_value_out_of_range_is_refused(name, value):
    bad = LIMITS[name] * 1.01 if value == "limit" else value
    with pytest.raises(ParameterValueError, match=f"{name}: expected 0 to"):
        parse_augmentation({name: bad})
