"""All that changes while a network is trained, as one tree."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.train.optimizer import OptimizerOptions, make_transformation
from deepocr_jax.train.parameters import Tree, join_parameters


class TrainState(NamedTuple):
    """What a step takes and gives.

    Attributes:
        step: Steps done; it is also the position in the data, which is a function of the step.
        params: The trained parameters.
        average: Their moving average; an empty tree where none is kept.
        batch_stats: Running statistics of batch normalisation.
        optimizer: Of optax.
        key: Data of the root key; every random number is folded from it and the step.
    """

    step: jax.Array
    params: Tree
    average: Tree
    batch_stats: Tree
    optimizer: Any
    key: jax.Array


def init_state(
    params: Tree, batch_stats: Tree, options: OptimizerOptions, seed: int, average: bool
) -> TrainState:
    """The state before the first step."""
    params = jax.tree.map(jnp.asarray, params)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        average=jax.tree.map(jnp.array, params) if average else {},
        batch_stats=jax.tree.map(jnp.asarray, batch_stats),
        optimizer=make_transformation(options).init(params),
        key=jax.random.key_data(jax.random.key(seed)),
    )


def variables_of(state: TrainState, kept: Tree) -> dict[str, Any]:
    """The network's variables as numpy arrays; the averaged parameters where there are any."""
    params = state.average or state.params
    variables = {"params": join_parameters(params, kept)}
    if state.batch_stats:
        variables["batch_stats"] = state.batch_stats
    return jax.tree.map(np.asarray, variables)
