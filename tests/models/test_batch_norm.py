"""Statistics of a batch: filling rows stay out of them, and devices share theirs."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.models.batch_norm import BatchNorm

AXIS = "devices"
VARIABLES = {
    "params": {
        "BatchNorm_0": {
            "scale": np.array([1, 2, 0.5], np.float32),
            "bias": np.array([0, 1, -1], np.float32),
        },
    },
    "batch_stats": {
        "BatchNorm_0": {
            "mean": np.array([0.1, 0, -3], np.float32),
            "var": np.array([1, 2, 4], np.float32),
        },
    },
}
# Rows that count: all, some on each device, and none on two of the four devices.
MASKS = [[1] * 8, [1, 0] * 4, [1, 1, 1, 0, 0, 0, 0, 0]]


def normalize(x, mask, axis_name=None, momentum=0.9):
    norm = BatchNorm(axis_name=axis_name, momentum=momentum)
    y, changed = norm.apply(VARIABLES, x, True, mask, mutable=["batch_stats"])
    return y, changed["batch_stats"]["BatchNorm_0"]


def batch(*shape, seed=0):
    x = np.random.default_rng(seed).standard_normal(shape)
    return (3 * x + np.arange(shape[-1])).astype(np.float32)


def close(a, b):
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), a, b)


@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_training_uses_the_batch_and_follows_it_slowly(momentum):
    x = batch(8, 5, 3)
    y, stats = normalize(x, None, momentum=momentum)
    mean, var = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    scale, bias = VARIABLES["params"]["BatchNorm_0"].values()
    close(y, (x - mean) / np.sqrt(var + 1e-5) * scale + bias)
    old = VARIABLES["batch_stats"]["BatchNorm_0"]
    new = {"mean": mean, "var": var}
    close(stats, {k: momentum * old[k] + (1 - momentum) * new[k] for k in old})


def test_inference_uses_the_running_statistics_and_keeps_them():
    x, norm = batch(2, 5, 3), BatchNorm()
    y, changed = norm.apply(
        VARIABLES, x, False, np.array([1, 0], np.float32), mutable=["batch_stats"]
    )
    mean, var = VARIABLES["batch_stats"]["BatchNorm_0"].values()
    scale, bias = VARIABLES["params"]["BatchNorm_0"].values()
    close(y, (x - mean) / np.sqrt(var + 1e-5) * scale + bias)
    close(changed.get("batch_stats", VARIABLES["batch_stats"]), VARIABLES["batch_stats"])


@pytest.mark.parametrize("shape", [(8, 3), (8, 5, 3), (8, 2, 5, 3)], ids=str)
def test_filling_rows_change_nothing(shape):
    x, mask = batch(*shape), np.array(MASKS[2], np.float32)
    y, stats = normalize(x, mask)
    alone, expected = normalize(x[:3], None)
    close(y[:3], alone)
    close(stats, expected)
    other = x.copy()
    other[3:] = 1e6
    y, stats = normalize(other, mask)
    close(y[:3], alone)
    close(stats, expected)


def test_filling_rows_get_no_gradient_from_the_statistics():
    x, mask = batch(8, 3), np.array(MASKS[2], np.float32)
    gradient = jax.grad(lambda x: jnp.sum((normalize(x, mask)[0] ** 3) * mask[:, None]))(x)
    assert np.abs(gradient[:3]).max() > 0 and not np.any(gradient[3:])


def test_a_batch_of_filling_rows_stays_finite_and_keeps_the_statistics():
    y, stats = normalize(batch(4, 3), np.zeros(4, np.float32))
    assert np.isfinite(y).all()
    close(stats, VARIABLES["batch_stats"]["BatchNorm_0"])


@pytest.mark.parametrize("mask", MASKS, ids=["all", "half", "devices without rows"])
def test_devices_share_the_statistics_of_all_rows(mask):
    x, mask = batch(8, 5, 3), np.array(mask, np.float32)
    whole, expected = normalize(x, mask)
    # The axis of a vmap stands for the devices: collectives are the same there.
    y, stats = jax.vmap(lambda x, m: normalize(x, m, AXIS), axis_name=AXIS)(
        x.reshape(4, 2, 5, 3), mask.reshape(4, 2)
    )
    kept = mask > 0
    close(np.asarray(y).reshape(x.shape)[kept], np.asarray(whole)[kept])
    for device in range(4):
        close(jax.tree.map(lambda s, d=device: s[d], stats), expected)


def test_gradients_flow_through_the_shared_statistics():
    x = batch(8, 5, 3)
    weights = batch(8, 5, 3, seed=1)

    def alone(x):
        return jnp.sum(normalize(x, None)[0] * weights)

    def shared(x):
        spread = jax.vmap(lambda x: normalize(x, None, AXIS)[0], axis_name=AXIS)
        return jnp.sum(spread(x.reshape(4, 2, 5, 3)).reshape(x.shape) * weights)

    close(jax.grad(shared)(x), jax.grad(alone)(x))
