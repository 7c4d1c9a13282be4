"""Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) whose statistics know what counts.

flax's own averages the means of the devices as if each had as many rows that count, and gives NaN
where one has none; this one sums over all of them, so that neither filling rows nor the number of
devices matter.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Batch normalisation over all but the channel axis; running statistics unless training.

    `axis_name` names the axis of devices that share their statistics, `momentum` is the share of
    the running statistics that a batch leaves as it was.
    """

    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None
    momentum: float = 0.9

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """[n, ..., c] -> [n, ..., c]; rows whose `mask` [n] is 0 stay out of the statistics."""
        # The inner module has the name that its parameters have in published weights.
        inner = _Normalize(self.dtype, self.axis_name, self.momentum, name="BatchNorm_0")
        return inner(x, train, mask)


class _Normalize(nn.Module):
    dtype: jnp.dtype
    axis_name: str | None
    momentum: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, mask: jax.Array | None) -> jax.Array:
        channels = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        scale = self.param("scale", nn.initializers.ones_init(), channels)
        bias = self.param("bias", nn.initializers.zeros_init(), channels)
        used_mean, used_var = mean.value, var.value
        if train and not self.is_initializing():
            used_mean, used_var, any_row = self._statistics(x.astype(jnp.float32), mask)
            if self.is_mutable_collection("batch_stats"):
                keep = jnp.where(any_row, self.momentum, 1.0)
                mean.value = keep * mean.value + (1 - keep) * used_mean
                var.value = keep * var.value + (1 - keep) * used_var
        factor = lax.rsqrt(used_var + EPSILON) * scale
        return ((x - used_mean) * factor + bias).astype(self.dtype)

    def _statistics(
        self, x: jax.Array, mask: jax.Array | None
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean and variance of each channel over the rows that count, and whether there are any."""
        counts = jnp.ones(len(x)) if mask is None else (mask > 0).astype(jnp.float32)
        counts = counts.reshape(-1, *[1] * (x.ndim - 1))
        axes = tuple(range(x.ndim - 1))
        # Where, not a product, since rows that do not count may hold anything.
        rows = jnp.where(counts > 0, x, 0.0)
        total = jnp.sum(counts) * (x.size / (x.shape[0] * x.shape[-1]))
        total = self._over_devices(total)
        divisor = jnp.maximum(total, 1.0)
        mean = self._over_devices(jnp.sum(rows, axis=axes)) / divisor
        squares = jnp.sum(jnp.where(counts > 0, (x - mean) ** 2, 0.0), axis=axes)
        return mean, self._over_devices(squares) / divisor, total > 0

    def _over_devices(self, value: jax.Array) -> jax.Array:
        return value if self.axis_name is None else lax.psum(value, self.axis_name)
