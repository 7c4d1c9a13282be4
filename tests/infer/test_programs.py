from __future__ import annotations

import builtins
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.infer import programs
from deepocr_jax.models.layers import Dense, product, to_bfloat16


@pytest.fixture
def fresh():
    programs.cpu_flags.cache_clear()
    yield
    programs.cpu_flags.cache_clear()


def cpuinfo(monkeypatch, text):
    real = builtins.open

    def fake(path, *args, **kwargs):
        if path == "/proc/cpuinfo":
            if text is None:
                raise FileNotFoundError(path)
            return io.StringIO(text)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", fake)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags : fpu avx512f avx512_bf16 sse\n", True),
        ("flags : amx_bf16\n", True),
        ("flags : fpu avx2\n", False),
        ("model name : avx512_bf16\n", False),
        ("", False),
        (None, False),
    ],
)
def test_processor_tells_its_instructions(fresh, monkeypatch, text, expected):
    cpuinfo(monkeypatch, text)
    assert programs.multiplies_bfloat16() is expected


def test_only_matrices_change_their_type(monkeypatch):
    variables = {
        "Dense_0": {"kernel": np.ones((3, 4), np.float32), "bias": np.ones(4, np.float32)},
        "Conv_0": {"kernel": np.ones((3, 3, 4, 4), np.float32)},
        "BatchNorm_0": {"scale": np.ones(4, np.float32)},
        "Stem_0": {"Dense_0": {"kernel": np.ones((4, 1), np.float32)}},
    }
    monkeypatch.setattr(programs, "multiplies_bfloat16", lambda: True)
    fast = programs.with_fast_products(variables, "cpu")
    types = jax.tree.map(lambda v: np.dtype(v.dtype).name, fast)
    assert types == {
        "Dense_0": {"kernel": "bfloat16", "bias": "float32"},
        "Conv_0": {"kernel": "float32"},
        "BatchNorm_0": {"scale": "float32"},
        "Stem_0": {"Dense_0": {"kernel": "float32"}},
    }
    assert programs.with_fast_products(variables, "gpu") is variables
    monkeypatch.setattr(programs, "multiplies_bfloat16", lambda: False)
    assert programs.with_fast_products(variables, "cpu") is variables


def test_product_of_a_bfloat16_kernel_sums_in_float32():
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((5, 256)), rng.standard_normal((256, 8))
    x, kernel = jnp.asarray(x, jnp.bfloat16), jnp.asarray(kernel, jnp.bfloat16)
    expected = np.asarray(x, np.float64) @ np.asarray(kernel, np.float64)
    actual = product(x.astype(jnp.float32), kernel, jnp.float32)
    assert actual.dtype == jnp.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


def test_rounding_to_bfloat16_is_to_the_nearest():
    x = np.random.default_rng(0).standard_normal(4000).astype(np.float32) * 1e3
    np.testing.assert_array_equal(to_bfloat16(jnp.asarray(x)), jnp.asarray(x).astype(jnp.bfloat16))
    half = jnp.asarray(x, jnp.float16)
    assert to_bfloat16(half).dtype == jnp.bfloat16


def test_dense_keeps_its_type_whatever_its_kernel_is():
    x = np.ones((2, 3), np.float32)
    variables = Dense(4).init(jax.random.key(0), x)
    exact = Dense(4).apply(variables, x)
    fast = Dense(4).apply(jax.tree.map(lambda v: v.astype(jnp.bfloat16), variables), x)
    assert exact.dtype == fast.dtype == jnp.float32
    np.testing.assert_allclose(exact, fast, atol=0.02)
