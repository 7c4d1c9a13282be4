"""Optimizers, their hyperparameters, and how these change from step to step."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.parameters import decay_mask

SOLVERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine")
# Hyperparameters that may change while training runs.
CHANGEABLE = ("learning_rate", "weight_prior")


@dataclass(frozen=True)
class OptimizerOptions:
    """How parameters follow their gradients.

    Attributes:
        solver_type: "sgd" (with momentum), "adam" or "adamw".
        learning_rate: The largest, after warming up.
        momentum: Of "sgd".
        weight_prior: Weight decay; for "sgd" and "adam" a part of the gradient, for "adamw" apart
            from it (Loshchilov and Hutter, arXiv 1711.05101). Norms and biases do not decay.
        adam_beta1: Decay of the mean of the gradients.
        adam_beta2: Decay of the mean of their squares.
        adam_epsilon: Added to the root of the latter.
        gradient_clip: Largest norm of the gradient; 0: unlimited.
        schedule: "constant" or "cosine" (to zero at the last step).
        warmup_steps: Steps over which the learning rate rises from zero.
        changes: (step, name, value) from which step on a hyperparameter has a value.
    """

    solver_type: str = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_prior: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    gradient_clip: float = 0.0
    schedule: str = "constant"
    warmup_steps: int = 0
    changes: tuple[tuple[int, str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.solver_type not in SOLVERS:
            raise ParameterValueError(f"solver_type: expected {SOLVERS}, got {self.solver_type!r}")
        if self.schedule not in SCHEDULES:
            raise ParameterValueError(f"schedule: expected {SCHEDULES}, got {self.schedule!r}")
        for name in ("momentum", "adam_beta1", "adam_beta2"):
            value = getattr(self, name)
            if not (_is_size(value) and value < 1):
                raise ParameterValueError(f"{name}: expected 0 to less than 1, got {value!r}")
        for name in ("learning_rate", "weight_prior", "gradient_clip", "warmup_steps"):
            value = getattr(self, name)
            if not _is_size(value):
                raise ParameterValueError(f"{name}: expected a number from 0 on, got {value!r}")
        if not (_is_size(self.adam_epsilon) and self.adam_epsilon > 0):
            raise ParameterValueError(
                f"adam_epsilon: expected a number above 0, got {self.adam_epsilon!r}"
            )
        for step, name, value in self.changes:
            if name not in CHANGEABLE:
                raise ParameterValueError(
                    f"{name!r} cannot change while training runs; these can: {CHANGEABLE}"
                )
            if not (_is_size(step) and _is_size(value)):
                raise ParameterValueError(
                    f"changes: expected a step and a value of {name}, numbers from 0 on, got "
                    f"{step!r} and {value!r}"
                )


def _is_size(value: Any) -> bool:
    """Whether a value is a finite number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return math.isfinite(value) and bool(value >= 0)


def hyperparameters(options: OptimizerOptions, step: int, total_steps: int) -> dict[str, float]:
    """Learning rate and weight decay of a step: a pure function of its number."""
    values = {"learning_rate": options.learning_rate, "weight_prior": options.weight_prior}
    for start, name, value in sorted(options.changes, key=lambda change: change[0]):
        if step >= start:
            values[name] = value
    if step < options.warmup_steps:
        values["learning_rate"] *= (step + 1) / (options.warmup_steps + 1)
    elif options.schedule == "cosine":
        length = max(1, total_steps - options.warmup_steps)
        done = (step - options.warmup_steps) / length
        values["learning_rate"] *= 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return values


def make_transformation(options: OptimizerOptions) -> optax.GradientTransformation:
    """Gradients -> directions, without learning rate and decay, which change step by step."""
    parts = []
    if options.gradient_clip:
        parts.append(optax.clip_by_global_norm(options.gradient_clip))
    if options.solver_type == "sgd":
        parts.append(optax.trace(decay=options.momentum))
    else:
        b1, b2 = options.adam_beta1, options.adam_beta2
        parts.append(optax.scale_by_adam(b1=b1, b2=b2, eps=options.adam_epsilon))
    return optax.chain(*parts)


def update_parameters(
    options: OptimizerOptions, params: Any, state: Any, gradients: Any, hyper: dict[str, jax.Array]
) -> tuple[Any, Any]:
    """One step of the optimizer: (parameters, its state)."""
    rate, prior = hyper["learning_rate"], hyper["weight_prior"]
    decay = jax.tree.map(lambda p, m: prior * m * p, params, decay_mask(params))
    if options.solver_type != "adamw":
        gradients = jax.tree.map(jnp.add, gradients, decay)
    directions, state = make_transformation(options).update(gradients, state, params)
    if options.solver_type == "adamw":
        directions = jax.tree.map(jnp.add, directions, decay)
    return jax.tree.map(lambda p, d: p - rate * d, params, directions), state
