from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.models.detector import DBHead
from deepocr_jax.models.layers import depthwise, max_pool_2x2
from deepocr_jax.models.registry import (
    DETECTORS,
    KINDS,
    ORIENTATIONS,
    RECOGNIZERS,
    SCORE_MAP_DETECTORS,
    TEXT_AXES,
    detector_spec,
    make_model,
    recognizer_spec,
    spec_from_dict,
    spec_to_dict,
)
from deepocr_jax.models.upsampling import upsample_nearest
from tests.conftest import random_model

TINY_DETECTOR = detector_spec(stem=8, depths=(1, 0, 2, 1), neck=16)
TINY_RECOGNIZER = recognizer_spec(stem=4, neck=16, num_classes=11)
SPECS = [
    *(("ocr_detection", s) for s in (*DETECTORS.values(), TINY_DETECTOR)),
    *(("ocr_detection_score_maps", s) for s in SCORE_MAP_DETECTORS.values()),
    *(("ocr_text_axes", s) for s in TEXT_AXES.values()),
    *(("ocr_recognition", s) for s in (*RECOGNIZERS.values(), TINY_RECOGNIZER)),
    *(("ocr_orientation", s) for s in ORIENTATIONS.values()),
]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def output_shape(kind, spec, *shape):
    network = make_model(kind, spec)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.eval_shape(network.init, jax.random.key(0), x)
    return jax.eval_shape(network.apply, variables, x)


def with_random_weights(kind, spec, shape):
    return make_model(kind, spec), random_model(kind, spec, shape).variables


@pytest.fixture(scope="module")
def detector():
    return with_random_weights("ocr_detection", TINY_DETECTOR, (1, 64, 64, 3))


@pytest.fixture(scope="module")
def recognizer():
    return with_random_weights("ocr_recognition", TINY_RECOGNIZER, (2, 48, 64, 3))


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (1024, 704)])
@pytest.mark.parametrize("spec", ["ppocrv6_small", TINY_DETECTOR])
def test_detector_gives_one_probability_a_pixel(spec, size):
    out = output_shape("ocr_detection", spec, 2, *size, 3)
    assert (out.shape, out.dtype) == ((2, *size), jnp.float32)


@pytest.mark.parametrize("width", [8, 160, 2048])
@pytest.mark.parametrize(("spec", "classes"), [("ppocrv6_small", 18_710), (TINY_RECOGNIZER, 11)])
def test_recognizer_gives_one_frame_every_8_pixels(spec, classes, width):
    out = output_shape("ocr_recognition", spec, 3, 48, width, 3)
    assert out.shape == (3, width // 8, classes)


def test_recognizer_gives_as_many_frames_of_lower_crops():
    found = output_shape("ocr_recognition", TINY_RECOGNIZER, 2, 32, 64, 3)
    assert found.shape == (2, 8, 11)


@pytest.mark.parametrize("count", [1, 8])
def test_orientation_gives_two_logits(count):
    assert output_shape("ocr_orientation", "ppocr_mobile_v2", count, 48, 192, 3).shape == (count, 2)


@pytest.mark.parametrize("size", [(32, 32), (384, 640)])
def test_vectors_of_text_axes_lie_at_a_quarter(size):
    out = output_shape("ocr_text_axes", "ppocrv6_small", 2, *size, 3)
    assert (out.shape, out.dtype) == ((2, size[0] // 4, size[1] // 4, 2), jnp.float32)


# --- specifications -----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "spec"), SPECS)
def test_spec_survives_its_plain_form(kind, spec):
    assert spec_from_dict(kind, spec_to_dict(spec)) == spec


@pytest.mark.parametrize("kind", list(KINDS))
def test_unknown_spec_entries_are_refused(kind):
    values = spec_to_dict(next(s for k, s in SPECS if k == kind))
    with pytest.raises((KeyError, TypeError)):
        spec_from_dict(kind, {**values, "surprise": 1})


def test_tiny_detector_runs(detector):
    network, variables = detector
    scores = np.asarray(jax.jit(network.apply)(variables, noise(1, 64, 64, 3)))
    assert scores.shape == (1, 64, 64)
    assert np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1
    assert scores.std() > 0


def test_tiny_recognizer_runs_and_reads_crops_independently(recognizer):
    network, variables = recognizer
    x = noise(2, 48, 64, 3)
    apply = jax.jit(network.apply)
    both = np.asarray(apply(variables, x))
    assert both.shape == (2, 8, 11) and np.isfinite(both).all()
    other = np.asarray(apply(variables, np.stack([x[0], noise(48, 64, 3, seed=9)])))
    np.testing.assert_allclose(other[0], both[0], atol=1e-5)
    assert np.abs(other[1] - both[1]).max() > 1e-3


# --- layers against slow oracles ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "strides", "size"),
    [
        ((3, 3), (1, 1), (7, 9)),
        ((3, 3), (2, 2), (8, 8)),
        ((3, 3), (2, 2), (7, 9)),
        ((3, 3), (2, 1), (12, 5)),
        ((5, 5), (2, 1), (9, 6)),
        ((7, 7), (1, 1), (4, 4)),
        ((7, 7), (1, 1), (1, 1)),
        ((1, 7), (1, 1), (1, 20)),
        ((3, 3), (2, 1), (1, 3)),
    ],
)
def test_depthwise_is_a_grouped_convolution(kernel, strides, size):
    x, weights = noise(2, *size, 5), noise(*kernel, 5, seed=1)
    expected = jax.lax.conv_general_dilated(
        x,
        weights[:, :, None, :],
        strides,
        [(k // 2, k // 2) for k in kernel],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=5,
        precision="highest",
    )
    actual = jax.jit(depthwise, static_argnums=2)(x, weights, strides)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_detector_head_is_two_transposed_convolutions():
    x = noise(2, 5, 4, 16)
    head = DBHead()
    variables = head.init(jax.random.key(0), [x])
    params = jax.tree.map(lambda v: v + 0.1 * noise(*v.shape, seed=v.size), variables)["params"]
    conv = params["Conv_0"]["Conv_0"]
    y = jax.lax.conv_general_dilated(
        x, conv["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = np.maximum(y + conv["bias"], 0)
    kernels = [params[f"Pointwise_{i}"]["Dense_0"]["kernel"] for i in (0, 1)]
    y = np.maximum(transposed(y, kernels[0]) + params["up_bias"], 0)
    expected = (transposed(y, kernels[1]) + params["out_bias"])[..., 0]
    actual = head.apply({"params": params}, [x])
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def transposed(x, kernel):
    """Transposed convolution of kernel and stride 2; the kernel is [c, 2 * 2 * d]."""
    n, h, w, c = x.shape
    d = kernel.shape[1] // 4
    y = np.zeros((n, 2 * h, 2 * w, d), np.float32)
    for i in range(2):
        for j in range(2):
            y[:, i::2, j::2] = x @ kernel.reshape(c, 2, 2, d)[:, i, j]
    return y


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_upsample_repeats_pixels(factor):
    x = noise(2, 3, 4, 5)
    expected = x.repeat(factor, axis=1).repeat(factor, axis=2)
    np.testing.assert_array_equal(upsample_nearest(jnp.asarray(x), factor), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 4)])
def test_max_pool_looks_right_and_down(size):
    x = noise(2, size[0] + 1, size[1] + 1, 3)
    expected = np.empty((2, *size, 3), np.float32)
    for row in range(size[0]):
        for col in range(size[1]):
            expected[:, row, col] = x[:, row : row + 2, col : col + 2].max(axis=(1, 2))
    np.testing.assert_array_equal(max_pool_2x2(jnp.asarray(x)), expected)


# --- precision and gradients --------------------------------------------------------------------


@pytest.mark.slow
def test_half_precision_detector_stays_close(detector):
    network, variables = detector
    half = make_model("ocr_detection", TINY_DETECTOR, jnp.bfloat16)
    x = 0.02 * noise(1, 64, 64, 3)  # Faint, so that the untrained logits stay small.
    expected = np.asarray(jax.jit(network.apply)(variables, x))
    actual = np.asarray(jax.jit(half.apply)(variables, x))
    assert expected.std() > 0.05
    assert actual.dtype == np.float32 and np.isfinite(actual).all()
    assert not np.array_equal(actual, expected)  # It did compute in half precision.
    assert np.abs(actual - expected).mean() < 0.02


@pytest.mark.slow
def test_half_precision_recognizer_stays_close(recognizer):
    network, variables = recognizer
    half = make_model("ocr_recognition", TINY_RECOGNIZER, jnp.bfloat16)
    x = noise(2, 48, 64, 3)
    expected = np.asarray(jax.jit(network.apply)(variables, x))
    actual = np.asarray(jax.jit(half.apply)(variables, x)).astype(np.float32)
    assert np.isfinite(actual).all() and not np.array_equal(actual, expected)
    assert np.abs(actual - expected).mean() < 0.1 * expected.std()


@pytest.mark.slow
def test_gradients_reach_every_parameter_of_the_recognizer(recognizer):
    network, variables = recognizer
    # Faint, so that no gate of random weights is wide open or shut.
    x, labels = 0.02 * noise(2, 48, 64, 3), np.arange(16).reshape(2, 8) % 11

    def loss(params):
        logits, updated = network.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
        )
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)
        return -chosen.mean(), updated

    gradients, updated = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name
    before, after = map(jax.tree.leaves, (variables["batch_stats"], updated["batch_stats"]))
    moved = [np.abs(a - b).max() > 0 for a, b in zip(before, after, strict=True)]
    assert moved and all(moved)
