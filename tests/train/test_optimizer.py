"""The optimizers against those of optax, and the values of their schedules."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.optimizer import (
    OptimizerOptions,
    hyperparameters,
    make_transformation,
    update_parameters,
)
from deepocr_jax.train.parameters import decay_mask

RATE, PRIOR, CLIP, STEPS = 0.05, 0.1, 1.5, 8
B1, B2, EPSILON = 0.8, 0.95, 1e-6
RNG = np.random.default_rng(0)


def draw():
    return {
        "dense": {"kernel": RNG.standard_normal((3, 4)), "bias": RNG.standard_normal(4)},
        "norm": {"scale": RNG.standard_normal(4)},
    }


PARAMS = jax.tree.map(np.float32, draw())
GRADIENTS = [jax.tree.map(np.float32, draw()) for _ in range(STEPS)]


def trained(options):
    params, state = PARAMS, make_transformation(options).init(PARAMS)
    update = jax.jit(lambda p, s, g, hyper: update_parameters(options, p, s, g, hyper))
    for step, gradients in enumerate(GRADIENTS):
        hyper = hyperparameters(options, step, STEPS)
        params, state = update(
            params, state, gradients, {k: jnp.float32(v) for k, v in hyper.items()}
        )
    return params


def trained_by_optax(transformation):
    params, state = PARAMS, transformation.init(PARAMS)
    for gradients in GRADIENTS:
        updates, state = transformation.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    return params


def peer(solver, clip):
    mask = jax.tree.map(bool, decay_mask(PARAMS))
    clipped = optax.clip_by_global_norm(CLIP) if clip else optax.identity()
    if solver == "adamw":
        adamw = optax.adamw(RATE, B1, B2, EPSILON, weight_decay=PRIOR, mask=mask)
        return optax.chain(clipped, adamw)
    coupled = optax.chain(optax.add_decayed_weights(PRIOR, mask), clipped)
    if solver == "adam":
        return optax.chain(coupled, optax.adam(RATE, B1, B2, EPSILON))
    return optax.chain(coupled, optax.sgd(RATE, momentum=0.7))


def assert_close(actual, expected):
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6), actual, expected
    )


@pytest.mark.parametrize("clip", [0.0, CLIP])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_solver_is_that_of_optax(solver, clip):
    options = OptimizerOptions(solver, RATE, 0.7, PRIOR, B1, B2, EPSILON, gradient_clip=clip)
    assert_close(trained(options), trained_by_optax(peer(solver, clip)))


def test_schedule_scales_the_step_not_the_momentum():
    options = OptimizerOptions("sgd", RATE, 0.7, schedule="cosine", warmup_steps=2)
    rates = jnp.array([hyperparameters(options, s, STEPS)["learning_rate"] for s in range(STEPS)])
    expected = trained_by_optax(optax.sgd(lambda step: rates[step], momentum=0.7))
    assert_close(trained(options), expected)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_only_kernels_shrink(solver):
    options = OptimizerOptions(solver, RATE, weight_prior=PRIOR)
    zeros = jax.tree.map(np.zeros_like, PARAMS)
    hyper = {"learning_rate": jnp.float32(RATE), "weight_prior": jnp.float32(PRIOR)}
    state = make_transformation(options).init(PARAMS)
    params, _ = update_parameters(options, PARAMS, state, zeros, hyper)
    assert np.abs(params["dense"]["kernel"] - PARAMS["dense"]["kernel"]).max() > 1e-3
    np.testing.assert_array_equal(params["dense"]["bias"], PARAMS["dense"]["bias"])
    np.testing.assert_array_equal(params["norm"]["scale"], PARAMS["norm"]["scale"])


# --- hyperparameters of a step ------------------------------------------------------------------


def rates(total, **options):
    chosen = OptimizerOptions(learning_rate=1.0, **options)
    return [hyperparameters(chosen, step, total)["learning_rate"] for step in range(total)]


def test_constant_rate():
    assert rates(3) == [1.0, 1.0, 1.0]


def test_warm_up_rises_from_above_zero_to_the_rate():
    np.testing.assert_allclose(rates(6, warmup_steps=4), [0.2, 0.4, 0.6, 0.8, 1, 1])


def test_cosine_falls_after_the_warm_up():
    values = rates(12, warmup_steps=2, schedule="cosine")
    np.testing.assert_allclose(values[:3], [1 / 3, 2 / 3, 1])
    expected = 0.5 * (1 + np.cos(np.pi * np.arange(10) / 10))
    np.testing.assert_allclose(values[2:], expected)
    assert values[-1] < 0.03
    beyond = OptimizerOptions(learning_rate=1.0, schedule="cosine")
    assert hyperparameters(beyond, 20, 12)["learning_rate"] == pytest.approx(0, abs=1e-12)


def test_a_warm_up_longer_than_the_run():
    np.testing.assert_allclose(rates(3, warmup_steps=9, schedule="cosine"), [0.1, 0.2, 0.3])


def test_changes_hold_from_their_step_on():
    changes = ((5, "learning_rate", 0.1), (3, "learning_rate", 0.5), (4, "weight_prior", 0.2))
    options = OptimizerOptions(learning_rate=1.0, weight_prior=0.01, changes=changes)
    values = [hyperparameters(options, step, 10) for step in range(7)]
    assert [v["learning_rate"] for v in values] == [1, 1, 1, 0.5, 0.5, 0.1, 0.1]
    assert [v["weight_prior"] for v in values] == [0.01] * 4 + [0.2] * 3


def test_numbers_of_numpy_are_numbers():
    changes = ((np.int64(3), "learning_rate", np.float32(0.5)),)
    options = OptimizerOptions(learning_rate=np.float64(0.25), changes=changes)
    assert hyperparameters(options, 3, 10)["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver_type": "lion"}, "solver_type.*'lion'"),
        ({"schedule": "linear"}, "schedule.*'linear'"),
        ({"momentum": 1.0}, "momentum.*1.0"),
        ({"adam_beta1": -0.1}, "adam_beta1"),
        ({"adam_beta2": np.nan}, "adam_beta2"),
        ({"learning_rate": -1e-3}, "learning_rate.*-0.001"),
        ({"learning_rate": np.nan}, "learning_rate"),
        ({"weight_prior": np.inf}, "weight_prior"),
        ({"gradient_clip": -1.0}, "gradient_clip"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"changes": ((3, "momentum", 0.5),)}, "'momentum' cannot change"),
        ({"changes": ((3, "learning_rate", np.nan),)}, "changes.*learning_rate.*3 and nan"),
        ({"changes": ((3, "weight_prior", np.inf),)}, "changes.*weight_prior.*inf"),
        ({"changes": ((3, "learning_rate", -0.5),)}, "changes.*-0.5"),
        ({"changes": ((3, "learning_rate", "0.5"),)}, "changes.*'0.5'"),
        ({"changes": ((-3, "learning_rate", 0.5),)}, "changes.*-3"),
        ({"adam_epsilon": 0.0}, "adam_epsilon.*above 0"),
        ({"adam_epsilon": np.nan}, "adam_epsilon"),
        ({"adam_epsilon": "small"}, "adam_epsilon.*'small'"),
        ({"learning_rate": "0.1"}, "learning_rate.*'0.1'"),
        ({"learning_rate": None}, "learning_rate.*None"),
        ({"momentum": "0.9"}, "momentum.*'0.9'"),
        ({"warmup_steps": True}, "warmup_steps.*True"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ParameterValueError, match=message):
        OptimizerOptions(**options)
