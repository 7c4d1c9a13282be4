"""One training step, over one device or many: the only user of `jax.pmap`.

A step has parts: batches, each on a canvas of its own, whose gradients are added up before the
parameters move. So gradients are accumulated, and the old domain is rehearsed on canvases that fit
it. `pmap` with `in_axes=None` for the state keeps it one replicated tree, which checkpoints take as
it is, while each batch has a leading axis of devices.
"""

from collections.abc import Callable, Mapping, Sequence
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
Sums = dict[str, jax.Array]


@dataclass(frozen=True)
class Losses:
    """Per-example losses of a batch of n rows; finite in filling rows, too.

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
    """What a step does beside the optimizer's.

    Attributes:
        average_decay: Of the moving average of the parameters; 0: none is kept.
    """

    average_decay: float = 0.0


def part_gradients(
    loss: LossFunction,
    state: TrainState,
    totals: Tree,
    batch: dict[str, jax.Array],
    rest: dict[str, Any],
) -> tuple[Tree, Sums]:
    """What one part adds, on one device: (sums so far) -> (sums, the part's losses).

    Losses and gradients are sums over the rows of all devices, to be divided by the number of real
    rows, so neither the number of devices nor filling rows change them.
    """
    key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    key = jax.random.fold_in(key, rest["part"])
    mask = batch["mask"] > 0

    def summed(params: Tree) -> tuple[jax.Array, Any]:
        losses = loss(params, rest["kept"], totals["batch_stats"], batch, key)
        total = jnp.sum(jnp.where(mask, losses.total, 0.0))
        sums = {name: jnp.sum(jnp.where(mask, v, 0.0)) for name, v in losses.parts.items()}
        return total, (losses.batch_stats, {"total_loss": total, **sums})

    gradients, (stats, sums) = jax.grad(summed, has_aux=True)(state.params)
    count = jnp.sum(batch["mask"])
    gradients, sums, count = jax.lax.psum((gradients, sums, count), AXIS)
    totals = {
        "gradients": jax.tree.map(jnp.add, totals["gradients"], gradients),
        "batch_stats": jax.lax.pmean(stats, AXIS),
    }
    return totals, {**sums, "count": count}


def move_parameters(
    optimizer: OptimizerOptions,
    options: StepOptions,
    state: TrainState,
    totals: Tree,
    parts: list[Sums],
    hyper: dict[str, jax.Array],
) -> tuple[TrainState, dict[str, jax.Array]]:
    """The end of a step: (sums of all parts) -> (new state, mean losses)."""
    count = jnp.maximum(sum((p["count"] for p in parts), jnp.zeros(())), 1.0)
    gradients = jax.tree.map(lambda g: g / count, totals["gradients"])
    params, memory = update_parameters(optimizer, state.params, state.optimizer, gradients, hyper)
    average = state.average
    if options.average_decay:
        # Early on the average follows faster, so that it forgets where training began.
        decay = jnp.minimum(options.average_decay, (1 + state.step) / (10 + state.step))
        average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
    state = state._replace(
        step=state.step + 1,
        params=params,
        average=average,
        batch_stats=totals["batch_stats"],
        optimizer=memory,
    )
    return state, {**_means(parts), "gradient_norm": _norm(gradients)}


def _norm(tree: Tree) -> jax.Array:
    """Euclidean norm over all leaves."""
    return jnp.sqrt(sum((jnp.sum(x * x) for x in jax.tree.leaves(tree)), jnp.zeros(())))


def _means(parts: list[Sums]) -> dict[str, jax.Array]:
    """Each loss over the rows of the parts that have it."""
    means = {}
    for name in sorted({name for part in parts for name in part} - {"count"}):
        having = [part for part in parts if name in part]
        rows = jnp.maximum(sum((p["count"] for p in having), jnp.zeros(())), 1.0)
        means[name] = sum((p[name] for p in having), jnp.zeros(())) / rows
    return means


class ParallelStep:
    """A training step compiled for the local devices, a program for each shape of a part."""

    def __init__(
        self,
        losses: Mapping[str, LossFunction],
        optimizer: OptimizerOptions,
        options: StepOptions,
        compiler_options: Mapping[str, Any],
    ) -> None:
        """Prepares the step; nothing is compiled before the first call.

        Args:
            losses: Of the task, by the role of a part.
            optimizer: The optimizer's options.
            options: Of the step.
            compiler_options: Of XLA, for training within one process.
        """
        self._compiler_options = dict(compiler_options)
        self._programs: dict[Any, Any] = {}
        self._devices = np.arange(jax.local_device_count())
        self._begin = _on_devices(
            lambda state, _: {
                "gradients": jax.tree.map(jnp.zeros_like, state.params),
                "batch_stats": state.batch_stats,
            },
            (None, 0),
        )
        self._parts = {
            role: _on_devices(
                lambda s, t, b, r, loss=loss: part_gradients(loss, s, t, b, r),
                (None, None, 0, None),
                donated=(1,),
            )
            for role, loss in losses.items()
        }
        self._end = _on_devices(
            lambda s, t, p, h, _: move_parameters(optimizer, options, s, t, p, h),
            (None, None, None, None, 0),
            donated=(0,),
        )

    def replicate(self, tree: Any) -> Any:
        """Puts a tree onto all devices, once for all calls."""
        if not jax.tree.leaves(tree):
            return tree
        return _on_devices(lambda t, _: t, (None, 0))(tree, self._devices)

    def __call__(
        self,
        state: TrainState,
        parts: Sequence[tuple[str, Mapping[str, np.ndarray]]],
        rest: dict[str, Any],
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """One step.

        Args:
            state: Used up.
            parts: (role, this process's rows) of each part.
            rest: `kept`, the parameters that stay, and `hyper`, the step's hyperparameters.

        Returns:
            The new state, and the mean losses.

        Raises:
            ParameterValueError: The rows of a part do not divide among the devices.
        """
        totals = self._begin(state, self._devices)
        sums = []
        for number, (role, batch) in enumerate(parts):
            totals, of_part = self._run_part(
                role, state, totals, *self._of_part(number, batch, rest)
            )
            sums.append(of_part)
        return self._end(state, totals, sums, rest["hyper"], self._devices)

    def flops(
        self,
        state: TrainState,
        parts: Sequence[tuple[str, Mapping[str, np.ndarray]]],
        rest: dict[str, Any],
    ) -> float:
        """Operations of a step's losses and gradients on each device, as XLA counts them.

        Before it optimizes; the arguments are those of a step, and are not used up.
        """
        totals = self._begin(state, self._devices)
        count = 0.0
        for number, (role, batch) in enumerate(parts):
            arguments = state, totals, *self._of_part(number, batch, rest)
            count += self._parts[role].lower(*arguments).cost_analysis()["flops"]
        return count

    def _of_part(
        self, number: int, batch: Mapping[str, np.ndarray], rest: dict[str, Any]
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """A part's rows for each device, and what stays during the step."""
        rows = {name: _spread(name, v, len(self._devices)) for name, v in batch.items()}
        return rows, {"kept": rest["kept"], "part": np.int32(number)}

    def _run_part(self, role: str, *arguments: Any) -> Any:
        if jax.process_count() > 1:  # A compiled program would want the batches of all processes.
            return self._parts[role](*arguments)
        batch = arguments[2]
        key = (role, tuple((name, value.shape) for name, value in sorted(batch.items())))
        if key not in self._programs:
            lowered = self._parts[role].lower(*arguments)
            self._programs[key] = lowered.compile(compiler_options=self._compiler_options)
        return self._programs[key](*arguments)


def _on_devices(
    function: Callable[..., Any], axes: tuple[int | None, ...], donated: tuple[int, ...] = ()
) -> Any:
    """A function on all devices; all of its results are the same on each."""
    return jax.pmap(function, axis_name=AXIS, in_axes=axes, out_axes=None, donate_argnums=donated)


def _spread(name: str, value: np.ndarray, devices: int) -> np.ndarray:
    if len(value) % devices:
        raise ParameterValueError(
            f"{len(value)} rows of {name!r} do not divide among {devices} devices; choose a "
            "batch_size (and a rehearsal_share) that does"
        )
    return value.reshape(devices, len(value) // devices, *value.shape[1:])
