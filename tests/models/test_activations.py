"""Activations are the functions that they are named for."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.models.activations import REACH, gelu, hard_sigmoid


def exact(x):
    return np.array([v / 2 * math.erfc(-v / math.sqrt(2)) for v in x.astype(float).ravel()])


@pytest.mark.parametrize(
    ("low", "high", "error"), [(-9, 9, 2e-6), (-0.1, 0.1, 2e-7), (-5.1, -4.9, 2e-6), (9, 1e4, 0)]
)
def test_gelu_is_near_the_exact_one(low, high, error):
    x = np.linspace(low, high, 20001, dtype=np.float32)
    np.testing.assert_allclose(jax.jit(gelu)(x), exact(x), rtol=2e-7, atol=error)


def test_gelu_far_below_zero_is_zero():
    x = np.array([-REACH, -50.0, -1e4], np.float32)
    assert (np.abs(gelu(x)) <= [2e-6, 5e-6, 1e-3]).all()


def test_gelu_has_the_exact_ones_derivative():
    x = np.linspace(-8, 8, 2001, dtype=np.float32)
    slope = jax.vmap(jax.grad(gelu))(x)
    expected = [
        math.erfc(-v / math.sqrt(2)) / 2 + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi)
        for v in x.tolist()
    ]
    np.testing.assert_allclose(slope, expected, atol=3e-6)


def test_gelu_of_bfloat16_is_rounded_once():
    x = jnp.linspace(-6, 6, 999).astype(jnp.bfloat16)
    wide = x.astype(jnp.float32)
    assert gelu(x).dtype == jnp.bfloat16
    np.testing.assert_array_equal(gelu(x), gelu(wide).astype(jnp.bfloat16))


@pytest.mark.parametrize(("slope", "end"), [(1 / 6, 3.0), (0.2, 2.5)])
def test_hard_sigmoid_ends_where_its_slope_says(slope, end):
    x = jnp.array([-9.0, -end, 0.0, end / 2, end, 9.0])
    np.testing.assert_allclose(hard_sigmoid(x, slope), [0, 0, 0.5, 0.75, 1, 1], atol=1e-6)
