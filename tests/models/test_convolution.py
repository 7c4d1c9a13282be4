"""Convolutions as the platform likes them are plain convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from deepocr_jax.models.convolution import convolve
from deepocr_jax.models.layers import Conv


def plain(x, kernel, strides, padding):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)


def drawn(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def assert_same_values_and_gradients(mine, expected, parts, kernel, tolerance):
    value, pull_back = jax.vjp(jax.jit(mine), parts, kernel)
    wanted, wanted_pull_back = jax.vjp(jax.jit(expected), parts, kernel)
    np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance)
    grad = drawn(10, *value.shape)
    for found, right in zip(
        jax.tree.leaves(pull_back(grad)), jax.tree.leaves(wanted_pull_back(grad)), strict=True
    ):
        np.testing.assert_allclose(found, right, rtol=10 * tolerance, atol=10 * tolerance)


# Sides that the strides divide and do not divide, kernels that are even, padding on one side only.
CASES = [
    ((3,), (9, 12), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((1,), (6, 6), (1, 3), (2, 1), ((0, 0), (2, 0))),
    ((2,), (8, 11), (2, 2), (1, 2), ((0, 1), (0, 1))),
    ((6,), (8, 11), (3, 3), (1, 2), ((1, 1), (1, 1))),
    ((3, 5), (9, 12), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((2, 1, 4), (7, 10), (2, 2), (1, 1), ((0, 1), (0, 1))),
]


@pytest.mark.parametrize(("channels", "size", "kernel_size", "strides", "padding"), CASES)
def test_values_and_gradients_are_those_of_the_plain_convolution(
    channels, size, kernel_size, strides, padding
):
    parts = [drawn(i, 2, *size, c) for i, c in enumerate(channels)]
    kernel = drawn(9, *kernel_size, sum(channels), 7)

    def mine(parts, kernel):
        return convolve(parts, kernel, strides, padding)

    def expected(parts, kernel):
        return plain(jnp.concatenate(parts, -1), kernel, strides, padding)

    assert_same_values_and_gradients(mine, expected, parts, kernel, 1e-5)


@pytest.mark.parametrize("factors", [(1, 2), (8, 4, 2, 1), (16, 1), (3, 1)])
def test_smaller_parts_count_as_upsampled(factors):
    largest = max(factors)
    parts = [drawn(i, 2, 2 * largest // f, 3 * largest // f, 4 + i) for i, f in enumerate(factors)]
    kernel = drawn(9, 3, 3, sum(x.shape[-1] for x in parts), 5)

    def mine(parts, kernel):
        return convolve(parts, kernel, (1, 1), ((1, 1), (1, 1)))

    def expected(parts, kernel):
        wide = [x.repeat(f, 1).repeat(f, 2) for x, f in zip(parts, factors, strict=True)]
        return plain(jnp.concatenate(wide, -1), kernel, (1, 1), "SAME")

    assert_same_values_and_gradients(mine, expected, parts, kernel, 1e-4)


@pytest.mark.parametrize("channels", [(3,), (4, 4)])
def test_sums_are_float32_in_bfloat16_networks(channels):
    parts = [drawn(i, 1, 20, 20, c).astype(jnp.bfloat16) for i, c in enumerate(channels)]
    kernel = drawn(9, 3, 3, sum(channels), 5).astype(jnp.bfloat16)
    value = convolve(parts, kernel, (2, 2), ((1, 1), (1, 1)))
    wide = [v.astype(jnp.float32) for v in (jnp.concatenate(parts, -1), kernel)]
    exact = plain(*wide, (2, 2), ((1, 1), (1, 1)))
    assert value.dtype == jnp.bfloat16
    # Sums in another order may lie on the other side of the middle between two bfloat16 numbers.
    off = np.abs(value.astype(jnp.float32) - exact) > np.abs(exact) * 2.0**-8 * 1.01
    assert not off.any()


@pytest.mark.parametrize("size", [(2, 2), (3, 3)])
def test_the_module_keeps_the_shape_and_joins_its_inputs(size):
    a, b = drawn(0, 1, 6, 8, 4), drawn(1, 1, 6, 8, 2)
    conv = Conv(5, size)
    variables = conv.init(jax.random.key(0), a, b)
    joined = conv.apply(variables, jnp.concatenate([a, b], -1))
    assert joined.shape == (1, 6, 8, 5)
    np.testing.assert_allclose(conv.apply(variables, a, b), joined, rtol=1e-5, atol=1e-5)
    kernel = variables["params"]["Conv_0"]["kernel"]
    same = plain(jnp.concatenate([a, b], -1), kernel, (1, 1), "SAME")
    np.testing.assert_allclose(joined, same, rtol=1e-5, atol=1e-5)
