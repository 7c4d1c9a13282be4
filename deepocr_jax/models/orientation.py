"""The 0/180 degree line-orientation classifier: a narrow MobileNetV3-small.

Howard et al., arXiv 1905.02244, at the published width 0.35 with height-only strides.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from deepocr_jax.models.batch_norm import BatchNorm
from deepocr_jax.models.layers import Conv, Dense, Depthwise, Pointwise, SqueezeExcite


@dataclass(frozen=True)
class InvertedResidualSpec:
    """One block: hidden and output channels, kernel side, stride over rows, gate, activation."""

    hidden: int
    features: int
    kernel: int
    row_stride: int
    squeeze: bool
    hard_swish: bool


@dataclass(frozen=True)
class OrientationSpec:
    """Stem width, blocks, width of the last layer."""

    stem_features: int
    blocks: tuple[InvertedResidualSpec, ...]
    last_features: int


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, gate, projection, with a residual where shapes agree."""

    spec: InvertedResidualSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[n, h, w, c] -> [n, h / row_stride, w, features]."""
        spec, dtype = self.spec, self.dtype
        act = nn.hard_swish if spec.hard_swish else nn.relu
        y = Pointwise(spec.hidden, use_bias=False, dtype=dtype)(x)
        y = act(BatchNorm(dtype=dtype)(y, train))
        size, strides = (spec.kernel, spec.kernel), (spec.row_stride, 1)
        y = Depthwise(size, strides, use_bias=False, dtype=dtype)(y)
        y = act(BatchNorm(dtype=dtype)(y, train))
        if spec.squeeze:
            y = SqueezeExcite(slope=0.2, dtype=dtype)(y)
        y = Pointwise(spec.features, use_bias=False, dtype=dtype)(y)
        y = BatchNorm(dtype=dtype)(y, train)
        keeps_shape = spec.row_stride == 1 and spec.features == x.shape[-1]
        return x + y if keeps_shape else y


class OrientationClassifier(nn.Module):
    """[n, 48, 192, 3] -> logits [n, 2] of "upright" and "turned by 180 degrees"."""

    spec: OrientationSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """The normalised line crop -> two logits."""
        spec, dtype = self.spec, self.dtype
        x = Conv(spec.stem_features, strides=(2, 2), use_bias=False, dtype=dtype)(x.astype(dtype))
        x = nn.hard_swish(BatchNorm(dtype=dtype)(x, train))
        for block in spec.blocks:
            x = InvertedResidual(block, dtype=dtype)(x, train)
        x = Pointwise(spec.last_features, use_bias=False, dtype=dtype)(x)
        x = nn.hard_swish(BatchNorm(dtype=dtype)(x, train))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        return Dense(2, dtype=dtype)(jnp.mean(x, axis=(1, 2)))
