"""One training step, over one device or many: the only user of `jax.pmap`.

`pmap` with `in_axes=(None, 0, None)` keeps the state one replicated tree, which checkpoints take as
it is, while the batch has a leading axis of devices.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.optimizer import OptimizerOptions, update_parameters
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.state import TrainState

AXIS = "devices"
# (trained parameters, kept ones, batch statistics, batch, key) -> Losses
LossFunction = Callable[[Tree, Tree, Tree, dict[str, jax.Array], jax.Array], "Losses"]


@dataclass(frozen=True)
class Losses:
    """Per-example losses of a batch of n rows.

    Attributes:
        total: [n] what is minimised.
        parts: Further losses, [n] each, for reports.
        batch_stats: New running statistics.
    """

    total: jax.Array
    parts: dict[str, jax.Array]
    batch_stats: Tree


@dataclass(frozen=True)
class StepOptions:
    """How a step works on its batch.

    Attributes:
        accumulation: Parts into which each device's rows are cut; their gradients are added up.
        average_decay: Of the moving average of the parameters; 0: none is kept.
    """

    accumulation: int = 1
    average_decay: float = 0.0


def train_step(
    loss: LossFunction,
    optimizer: OptimizerOptions,
    options: StepOptions,
    state: TrainState,
    batch: dict[str, jax.Array],
    rest: dict[str, Any],
) -> tuple[TrainState, dict[str, jax.Array]]:
    """The step of one device: (state, its rows, what is constant) -> (state, metrics).

    Losses and gradients are sums over the rows of all devices, divided by the number of real rows,
    so neither the number of devices nor filling rows change them.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    rows = jax.tree.map(lambda x: x.reshape(options.accumulation, -1, *x.shape[1:]), batch)

    def summed(params: Tree, stats: Tree, part: dict[str, jax.Array]) -> Any:
        losses = loss(params, rest["kept"], stats, part, key)
        mask = part["mask"]
        sums = {k: jnp.sum(jnp.where(mask > 0, v, 0.0)) for k, v in losses.parts.items()}
        total = jnp.sum(jnp.where(mask > 0, losses.total, 0.0))
        return total, (losses.batch_stats, {"total_loss": total, **sums})

    def add_part(carried: Any, part: dict[str, jax.Array]) -> Any:
        gradients, stats, sums = carried
        (_, (stats, more)), new = jax.value_and_grad(summed, has_aux=True)(
            state.params, stats, part
        )
        return (jax.tree.map(jnp.add, gradients, new), stats, jax.tree.map(jnp.add, sums, more))

    first = jax.tree.map(lambda x: x[0], rows)
    zeros = jax.tree.map(jnp.zeros_like, state.params)
    shapes = jax.eval_shape(lambda: summed(state.params, state.batch_stats, first)[1][1])
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    carried = (zeros, state.batch_stats, nothing)
    if options.accumulation == 1:
        carried = add_part(carried, first)
    else:
        carried, _ = jax.lax.scan(lambda c, part: (add_part(c, part), None), carried, rows)
    gradients, stats, sums = carried
    count = jnp.maximum(jax.lax.psum(jnp.sum(batch["mask"]), AXIS), 1.0)
    gradients = jax.tree.map(lambda g: g / count, jax.lax.psum(gradients, AXIS))
    stats = jax.lax.pmean(stats, AXIS)
    metrics = jax.tree.map(lambda s: s / count, jax.lax.psum(sums, AXIS))
    return _advance(optimizer, options, state, gradients, stats, rest), metrics


def _advance(
    optimizer: OptimizerOptions,
    options: StepOptions,
    state: TrainState,
    gradients: Tree,
    stats: Tree,
    rest: dict[str, Any],
) -> TrainState:
    params, memory = update_parameters(
        optimizer, state.params, state.optimizer, gradients, rest["hyper"]
    )
    average = state.average
    if options.average_decay:
        # Early on the average follows faster, so that it forgets where training began.
        decay = jnp.minimum(options.average_decay, (1 + state.step) / (10 + state.step))
        average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
    return state._replace(
        step=state.step + 1, params=params, average=average, batch_stats=stats, optimizer=memory
    )


class ParallelStep:
    """A training step compiled for the local devices, a program for each shape of batch."""

    def __init__(
        self,
        loss: LossFunction,
        optimizer: OptimizerOptions,
        options: StepOptions,
        compiler_options: Mapping[str, Any],
    ) -> None:
        """Prepares the step; nothing is compiled before the first call.

        Args:
            loss: Of the task.
            optimizer: The optimizer's options.
            options: Of the step.
            compiler_options: Of XLA, for training within one process.
        """
        self._compiler_options = dict(compiler_options)
        self._programs: dict[Any, Any] = {}
        self._rows = jax.local_device_count() * options.accumulation
        self._pmapped = jax.pmap(
            lambda state, batch, rest: train_step(loss, optimizer, options, state, batch, rest),
            axis_name=AXIS,
            in_axes=(None, 0, None),
            out_axes=(None, None),
            donate_argnums=(0,),
        )

    def replicate(self, tree: Tree) -> Tree:
        """Puts a tree onto all devices, once for all calls."""
        devices = np.arange(jax.local_device_count())
        copy = jax.pmap(lambda t, _: t, in_axes=(None, 0), out_axes=None)
        return copy(tree, devices) if tree else tree

    def __call__(
        self, state: TrainState, batch: Mapping[str, np.ndarray], rest: dict[str, Any]
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """(state, this process's rows, constants) -> (state, metrics); `state` is used up.

        Raises:
            ParameterValueError: The rows do not divide among devices and accumulation.
        """
        devices = jax.local_device_count()
        spread = {name: _spread(name, value, devices, self._rows) for name, value in batch.items()}
        if jax.process_count() > 1:  # A compiled program would want the batches of all processes.
            return self._pmapped(state, spread, rest)
        shape = tuple((name, value.shape) for name, value in sorted(spread.items()))
        if shape not in self._programs:
            lowered = self._pmapped.lower(state, spread, rest)
            self._programs[shape] = lowered.compile(compiler_options=self._compiler_options)
        return self._programs[shape](state, spread, rest)


def _spread(name: str, value: np.ndarray, devices: int, divisor: int) -> np.ndarray:
    if len(value) % divisor:
        raise ParameterValueError(
            f"{len(value)} rows of {name!r} do not divide by devices times accumulation "
            f"({divisor}); choose a batch_size that does"
        )
    return value.reshape(devices, len(value) // devices, *value.shape[1:])
