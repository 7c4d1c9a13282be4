"""LCNetV4, the backbone of the PP-OCRv6 detector and recognizer.

Structure read off the published graphs (Apache-2.0, packaged in `rapidocr`): a two-branch stem
at a quarter of the resolution, then blocks of depthwise convolution (token mixing), an optional
squeeze-and-excite gate, and a two-layer pointwise network (channel mixing) with a residual.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.models.activations import gelu
from deepocr_jax.models.layers import (
    Conv,
    Depthwise,
    Pointwise,
    SqueezeExcite,
    max_pool_2x2,
)


@dataclass(frozen=True)
class BlockSpec:
    """One block: output channels, strides of its depthwise convolution, gate or none."""

    features: int
    strides: tuple[int, int] = (1, 1)
    squeeze: bool = False


@dataclass(frozen=True)
class LCNetSpec:
    """Widths and depths of an LCNetV4."""

    stem_features: int
    stages: tuple[tuple[BlockSpec, ...], ...]


class Stem(nn.Module):
    """Two-branch stem: a quarter of the resolution, `features` -> the width of stage 1."""

    features: int
    out_features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, 3] -> [n, h / 4, w / 4, out_features]."""
        f, dtype = self.features, self.dtype
        x = nn.relu(Conv(f, strides=(2, 2), dtype=dtype)(x))
        # Padded once for both branches; the barrier alone does not keep XLA from computing anew for
        # one of them what it can fuse with that one's padding.
        x = lax.optimization_barrier(jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0))))
        y = nn.relu(Conv(f // 2, (2, 2), padding="VALID", dtype=dtype)(x))
        y = nn.relu(Conv(f, (2, 2), dtype=dtype)(y))
        x = nn.relu(Conv(f, strides=(2, 2), dtype=dtype)(max_pool_2x2(x), y))
        return nn.relu(Pointwise(self.out_features, dtype=dtype)(x))


class Block(nn.Module):
    """Token mixing, gate, channel mixing."""

    spec: BlockSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h / sh, w / sw, features]."""
        channels, features = x.shape[-1], self.spec.features
        x = Depthwise(strides=self.spec.strides, dtype=self.dtype)(x)
        if self.spec.squeeze:
            x = SqueezeExcite(slope=1 / 6, dtype=self.dtype)(x)
        shape = (*x.shape[:-1], features)
        # As a matrix: then XLA computes the activation in place.
        x = x.reshape(-1, channels)
        y = gelu(Pointwise(2 * channels, dtype=self.dtype)(x))
        y = Pointwise(features, dtype=self.dtype)(y)
        keeps_shape = self.spec.strides == (1, 1) and features == channels
        return (x + y if keeps_shape else y).reshape(shape)


class LCNet(nn.Module):
    """The backbone: returns the output of every stage."""

    spec: LCNetSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """[n, h, w, 3] -> the stages' features, finest first."""
        x = Stem(self.spec.stem_features, 2 * self.spec.stem_features, dtype=self.dtype)(x)
        outputs = []
        for stage in self.spec.stages:
            for block in stage:
                x = Block(block, dtype=self.dtype)(x)
            outputs.append(x)
        return outputs
