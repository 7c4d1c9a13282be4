"""Text detector: LCNetV4 backbone, RepLKFPN neck, differentiable-binarization head.

DB: Liao et al., arXiv 1911.08947. At inference only its probability map is computed; the branch of
the threshold map belongs to training alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.models.layers import Conv, Depthwise, Pointwise, SqueezeExcite
from deepocr_jax.models.lcnet import LCNet, LCNetSpec
from deepocr_jax.models.upsampling import upsample_nearest

THRESHOLD_HEAD = "ThresholdHead"
"""Parameters that `DBTrainingNetwork` has and `Detector` has not."""


@dataclass(frozen=True)
class DetectorSpec:
    """Backbone, neck width and the side of the neck's large depthwise kernels."""

    backbone: LCNetSpec
    neck_features: int
    neck_kernel_size: int = 7


class RepLKFPN(nn.Module):
    """Feature pyramid with residual gates and large depthwise kernels."""

    features: int
    kernel_size: int
    dtype: jnp.dtype = jnp.float32

    def gate(self) -> SqueezeExcite:
        """The neck's residual channel gate."""
        return SqueezeExcite(slope=0.2, residual=True, dtype=self.dtype)

    @nn.compact
    def __call__(self, stages: list[jax.Array]) -> list[jax.Array]:
        """Features at 1/4, 1/8, 1/16, 1/32 -> a quarter of the features at each, coarsest first."""
        f, dtype = self.features, self.dtype
        lateral = []
        for stage in reversed(stages):
            x = self.gate()(Pointwise(f, use_bias=False, dtype=dtype)(stage))
            lateral.append(x)
        merged = [lateral[0]]
        for x in lateral[1:]:
            merged.append(x + upsample_nearest(merged[-1], 2))
        levels = []
        size = (self.kernel_size, self.kernel_size)
        for x in merged:
            x = Depthwise(size, dtype=dtype)(x)
            levels.append(self.gate()(Pointwise(f // 4, use_bias=False, dtype=dtype)(x)))
        return levels


class DBHead(nn.Module):
    """A quarter of the resolution -> the text logit of every pixel."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, levels: Sequence[jax.Array]) -> jax.Array:
        """The neck's levels, the last one at a quarter -> [n, h, w], before the sigmoid."""
        n, h, w, _ = levels[-1].shape
        f, dtype = sum(x.shape[-1] for x in levels) // 4, self.dtype
        x = nn.relu(Conv(f, dtype=dtype)(*levels))
        # A 2x2 transposed convolution of stride 2 is a product and a rearrangement; of two of them
        # the rearrangement can wait until there is one channel left.
        x = Pointwise(4 * f, use_bias=False, dtype=dtype)(x).reshape(n, h, w, 4, f)
        bias = self.param("up_bias", nn.initializers.zeros_init(), (f,))
        x = nn.relu(x + bias.astype(dtype))
        x = Pointwise(4, use_bias=False, dtype=dtype)(x)
        out_bias = self.param("out_bias", nn.initializers.zeros_init(), (1,))
        x = x.reshape(n, h, w, 2, 2, 2, 2).transpose(0, 1, 3, 5, 2, 4, 6)
        return x.reshape(n, 4 * h, 4 * w) + out_bias.astype(dtype)


class Detector(nn.Module):
    """[n, h, w, 3], h and w multiples of 32 -> probability of text, [n, h, w] float32."""

    spec: DetectorSpec
    dtype: jnp.dtype = jnp.float32

    def __call__(self, x: jax.Array) -> jax.Array:
        """The normalised image -> its text probability map."""
        return nn.sigmoid(self.logits(x))

    @nn.compact
    def logits(self, x: jax.Array) -> jax.Array:
        """The map before the sigmoid, float32."""
        stages = LCNet(self.spec.backbone, dtype=self.dtype)(x.astype(self.dtype))
        neck = RepLKFPN(self.spec.neck_features, self.spec.neck_kernel_size, dtype=self.dtype)
        return DBHead(dtype=self.dtype)(neck(stages)).astype(jnp.float32)


class DBTrainingNetwork(nn.Module):
    """A `Detector` in training: [n, h, w, 3] -> logits of text and threshold, [n, h, w] each.

    The parameters are a detector's, under the same names, and those of `THRESHOLD_HEAD`, a second
    head of the same form (section 3 of the paper).
    """

    spec: DetectorSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The normalised image -> both maps before the sigmoid, float32."""
        stages = LCNet(self.spec.backbone, dtype=self.dtype)(x.astype(self.dtype))
        neck = RepLKFPN(self.spec.neck_features, self.spec.neck_kernel_size, dtype=self.dtype)
        features = neck(stages)
        text = DBHead(dtype=self.dtype)(features)
        threshold = DBHead(dtype=self.dtype, name=THRESHOLD_HEAD)(features)
        return text.astype(jnp.float32), threshold.astype(jnp.float32)


def init_threshold_head(key: jax.Array, spec: DetectorSpec) -> dict[str, Any]:
    """Fresh parameters of `THRESHOLD_HEAD`, by which every threshold is 1/2 whatever the features.

    Args:
        key: Of the random numbers.
        spec: The detector's.
    """
    channels = spec.neck_features // 4 * len(spec.backbone.stages)
    drawn = DBHead().init(key, [jnp.zeros((1, 8, 8, channels))])["params"]
    params = jax.tree.map(np.array, drawn)
    params["Pointwise_1"]["Dense_0"]["kernel"][:] = 0.0
    return params
