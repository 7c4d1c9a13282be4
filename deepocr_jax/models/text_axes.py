"""A look at a page: where text is, and along which axis it reads.

Backbone and neck are those of `models.detector`, under the same names, so that a trained detector
is the beginning. One map of vectors tells both: a vector is as long as a place is sure to hold
text, and points to twice the angle at which that reads, which is the same for both ways up. So it
is meant for images that are shown small, on which letters can hardly be told apart.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from deepocr_jax.models.detector import DetectorSpec, RepLKFPN
from deepocr_jax.models.layers import Conv, Dense
from deepocr_jax.models.lcnet import LCNet, LCNetSpec

STRIDE = 4
"""Image pixels a map pixel, along each axis."""


@dataclass(frozen=True)
class TextAxesSpec:
    """Backbone, neck, and the width of the head."""

    backbone: LCNetSpec
    neck_features: int
    neck_kernel_size: int = 7
    head_features: int = 32


def text_axes_spec(detector: DetectorSpec) -> TextAxesSpec:
    """The network with a detector's backbone and neck."""
    return TextAxesSpec(detector.backbone, detector.neck_features, detector.neck_kernel_size)


class TextAxesHead(nn.Module):
    """The neck's levels -> vectors, [n, h, w, 2], at the last level's resolution."""

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, levels: list[jax.Array]) -> jax.Array:
        """Coarsest first, the last one at a quarter."""
        x = nn.relu(Conv(self.features, dtype=self.dtype)(*levels))
        # Begins near zero: nothing is text.
        small = nn.initializers.normal(1e-3)
        return Dense(2, dtype=self.dtype, kernel_init=small)(x)


class TextAxes(nn.Module):
    """[n, h, w, 3], h and w multiples of 32 -> vectors [n, h / 4, w / 4, 2] float32.

    A vector is (cos, sin) of twice the angle, counter-clockwise, times the sureness of text.
    """

    spec: TextAxesSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The normalised image -> its vectors."""
        spec, dtype = self.spec, self.dtype
        stages = LCNet(spec.backbone, dtype=dtype)(x.astype(dtype))
        levels = RepLKFPN(spec.neck_features, spec.neck_kernel_size, dtype=dtype)(stages)
        return TextAxesHead(spec.head_features, dtype=dtype)(levels).astype(jnp.float32)
