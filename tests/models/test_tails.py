"""What is not computed right of a short word must not be missed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.models.layers import Depthwise, SqueezeExcite, Tail
from deepocr_jax.models.recognizer import Attention, RecognizerBody
from deepocr_jax.models.registry import recognizer_spec

pytestmark = pytest.mark.usefixtures("program_cache")

INK, SHORT, WIDE = 10, 16, 40


def columns(rows=3, channels=4):
    """[1, rows, WIDE, channels]: chance values, then columns that are all alike."""
    x = np.random.default_rng(0).standard_normal((1, rows, WIDE, channels)).astype(np.float32)
    x[:, :, INK:] = x[:, :, INK : INK + 1]
    return x


def random_parameters(module, x):
    shapes = module.init(jax.random.key(0), x)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda v: rng.standard_normal(v.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 7)])
@pytest.mark.parametrize("rows", [1, 2])
def test_depthwise_sees_the_tail_on_its_right(kernel, rows):
    x = columns()
    module = Depthwise(kernel, (rows, 1))
    variables = random_parameters(module, x)
    wide = module.apply(variables, x)
    short = module.apply(variables, x[:, :, :SHORT], Tail(2, WIDE - SHORT))
    np.testing.assert_allclose(short, wide[:, :, :SHORT], atol=1e-5)


def test_tail_sees_none_but_itself():
    x = columns()[:, :, :SHORT]
    changed = x.copy()
    changed[:, :, : SHORT - 2] += 1
    module = Depthwise((3, 3))
    variables = random_parameters(module, x)
    before, after = (module.apply(variables, v, Tail(2, 8)) for v in (x, changed))
    np.testing.assert_array_equal(before[:, :, -2:], after[:, :, -2:])
    assert np.abs(before[:, :, : SHORT - 2] - after[:, :, : SHORT - 2]).min() > 0


def test_gate_is_that_of_all_columns():
    x = columns()
    module = SqueezeExcite(slope=0.2)
    variables = random_parameters(module, x)
    wide = module.apply(variables, x)
    short = module.apply(variables, x[:, :, :SHORT], Tail(1, WIDE - SHORT))
    np.testing.assert_allclose(short, wide[:, :, :SHORT], atol=1e-5)
    assert np.abs(module.apply(variables, x[:, :, :SHORT]) - short).max() > 1e-3


def test_attention_is_that_over_all_frames():
    x = columns(rows=1, channels=16)[:, 0]
    module = Attention(num_heads=4)
    variables = random_parameters(module, x)
    wide = module.apply(variables, x)
    short = module.apply(variables, x[:, :SHORT], Tail(1, WIDE - SHORT))
    np.testing.assert_allclose(short, wide[:, :SHORT], atol=1e-4)


def test_body_reads_a_short_canvas_as_a_wide_one():
    rng = np.random.default_rng(0)
    body = RecognizerBody(recognizer_spec(8, 16, num_classes=0))
    x = np.zeros((2, 48, 384, 3), np.float32)
    x[:, :, :96] = rng.standard_normal((2, 48, 96, 3))
    variables = body.init(jax.random.key(0), x[:, :, :64])
    apply = jax.jit(body.apply, static_argnames="beyond")
    wide = apply(variables, x)[:, :12]
    with_tail = apply(variables, x[:, :, :192], beyond=192)[:, :12]
    without = apply(variables, x[:, :, :192])[:, :12]
    assert jnp.abs(with_tail - wide).max() < 0.05 * jnp.abs(without - wide).max()
