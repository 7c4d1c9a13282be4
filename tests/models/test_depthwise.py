"""The shifted sum and its written-out gradient against XLA's grouped convolution."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from deepocr_jax.models.depthwise import (
    _kernel_gradient,
    _kernel_gradient_by_rows,
    depthwise,
)

KERNELS = [(3, 3), (5, 5), (1, 7)]
# A kernel and the size of the image.
CASES = [((3, 3), (6, 8)), ((3, 3), (7, 9)), ((5, 5), (7, 11)), ((1, 7), (3, 9))]
STRIDES = [(1, 1), (2, 2), (2, 1)]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def grouped(x, kernel, strides):
    kh, kw, c = kernel.shape
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        strides,
        [(kh // 2, kh // 2), (kw // 2, kw // 2)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=c,
        precision="highest",
    )


def differentiate(convolve, x, kernel, weights, strides):
    """The value, and the gradients of a weighted sum of it."""

    def weighted(x, kernel):
        y = convolve(x, kernel, strides)
        return jnp.sum(y.astype(jnp.float32) * weights), y

    (_, y), gradients = jax.value_and_grad(weighted, (0, 1), has_aux=True)(x, kernel)
    return y, *gradients


with_gradients = jax.jit(differentiate, static_argnums=(0, 4))


def case(kernel, strides, size, count=2, channels=4):
    out = [(side - 1) // s + 1 for side, s in zip(size, strides, strict=True)]
    x, k = noise(count, *size, channels), noise(*kernel, channels, seed=1)
    return x, k, noise(count, *out, channels, seed=2)


@pytest.mark.parametrize("strides", STRIDES, ids=str)
@pytest.mark.parametrize(("kernel", "size"), CASES, ids=str)
def test_value_and_gradients_are_those_of_a_grouped_convolution(kernel, strides, size):
    x, k, weights = case(kernel, strides, size)
    actual = with_gradients(depthwise, x, k, weights, strides)
    expected = with_gradients(grouped, x, k, weights, strides)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("strides", STRIDES, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_both_forms_of_the_kernel_gradient_agree(kernel, strides):
    x, k, grad = case(kernel, strides, (7, 9))
    x, grad = jnp.asarray(x), jnp.asarray(grad)
    of_all = _kernel_gradient(k.shape, strides, x, grad)
    by_rows = _kernel_gradient_by_rows(k.shape, strides, x, grad)
    assert of_all.shape == by_rows.shape == k.shape
    assert of_all.dtype == by_rows.dtype == jnp.float32
    np.testing.assert_allclose(by_rows, of_all, atol=2e-5, rtol=1e-5)


def test_half_precision_keeps_its_type_and_sums_in_float32():
    x, k, weights = case((3, 3), (1, 1), (16, 16))
    rough = jnp.asarray(x, jnp.bfloat16), jnp.asarray(k, jnp.bfloat16)
    actual = with_gradients(depthwise, *rough, weights, (1, 1))
    expected = with_gradients(depthwise, x, k, weights, (1, 1))
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == jnp.bfloat16
        error = np.abs(np.asarray(a, np.float32) - np.asarray(e))
        assert error.max() < 0.02 * np.abs(e).max()


@pytest.mark.parametrize("form", [_kernel_gradient, _kernel_gradient_by_rows])
def test_half_precision_kernel_gradient_does_not_saturate(form):
    """A sum of 4096 ones would stop at 256 in bfloat16."""
    ones = jnp.ones((1, 64, 64, 1), jnp.bfloat16)
    assert form((1, 1, 1), (1, 1), ones, ones).item() == 4096


def test_vmap_over_images_is_the_batch():
    x, k, weights = case((3, 3), (2, 1), (7, 9), count=3)
    y, of_x, of_k = with_gradients(depthwise, x, k, weights, (2, 1))
    one = functools.partial(differentiate, depthwise, strides=(2, 1))
    each = jax.jit(jax.vmap(lambda x, w: one(x, k, w)))(x[:, None], weights[:, None])
    np.testing.assert_allclose(each[0][:, 0], y, atol=1e-5)
    np.testing.assert_allclose(each[1][:, 0], of_x, atol=1e-5)
    np.testing.assert_allclose(each[2].sum(axis=0), of_k, atol=2e-5)
