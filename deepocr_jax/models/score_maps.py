"""Text detector by score maps: characters, the links between them, and the reading direction.

Backbone and neck are those of `models.detector`, under the same names, so that a trained detector
of the other kind is the beginning. The maps are those of CRAFT (Baek et al., arXiv 1904.01941)
with two more for the direction, at half of the image's resolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.models.detector import DetectorSpec, RepLKFPN
from deepocr_jax.models.layers import Conv, Dense, Pointwise
from deepocr_jax.models.lcnet import LCNet, LCNetSpec
from deepocr_jax.types import SCORE_MAP_NAMES

STRIDE = 2
"""Image pixels a map pixel, along each axis."""
# The parts that both kinds of detectors have.
SHARED_PARTS = ("LCNet_0", "RepLKFPN_0")
# Characters and links fill a few hundredths of a page (Lin et al., arXiv 1708.02002, section 4.1).
PRIOR_SCORE = 0.05


@dataclass(frozen=True)
class ScoreMapSpec:
    """Backbone, neck, and the widths of the head at a quarter and at half of the resolution."""

    backbone: LCNetSpec
    neck_features: int
    neck_kernel_size: int = 7
    head_features: int = 48
    map_features: int = 24


def score_map_spec(detector: DetectorSpec) -> ScoreMapSpec:
    """The detector by score maps with another detector's backbone and neck."""
    return ScoreMapSpec(detector.backbone, detector.neck_features, detector.neck_kernel_size)


class ScoreMapHead(nn.Module):
    """A quarter of the resolution -> raw maps at half of it."""

    features: int
    map_features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, levels: Sequence[jax.Array]) -> jax.Array:
        """The neck's levels, the last one at a quarter -> [n, h / 2, w / 2, 4] raw."""
        n, h, w, _ = levels[-1].shape
        f, maps, dtype = self.map_features, len(SCORE_MAP_NAMES), self.dtype
        x = nn.relu(Conv(self.features, dtype=dtype)(*levels))
        x = nn.relu(Conv(self.features, dtype=dtype)(x))
        # A pixel's four parts stay channels until there are few of them left to move.
        x = nn.relu(Pointwise(4 * f, dtype=dtype)(x)).reshape(n, h, w, 4, f)
        # Begins near zero, so that the biases decide at first whatever the neck gives.
        small = nn.initializers.normal(1e-3)
        x = Dense(maps, use_bias=False, dtype=dtype, kernel_init=small)(x.reshape(-1, f))
        x = x.reshape(n, h, w, 2, 2, maps).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, 2 * h, 2 * w, maps)
        return x + self.param("out_bias", _prior_bias, (4,)).astype(dtype)


def _prior_bias(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Scores begin at the prior, the direction at reading to the right."""
    logit = float(np.log(PRIOR_SCORE / (1 - PRIOR_SCORE)))
    return jnp.array([logit, logit, 0.0, 1.0]).reshape(shape)


class ScoreMapDetector(nn.Module):
    """[n, h, w, 3], h and w multiples of 32 -> raw maps [n, h / 2, w / 2, 4] float32.

    See `to_score_maps`.
    """

    spec: ScoreMapSpec
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The normalised image -> logits of character and link, unscaled sin and cos."""
        spec, dtype = self.spec, self.dtype
        stages = LCNet(spec.backbone, dtype=dtype)(x.astype(dtype))
        neck = RepLKFPN(spec.neck_features, spec.neck_kernel_size, dtype=dtype)(stages)
        head = ScoreMapHead(spec.head_features, spec.map_features, dtype=dtype)
        return head(neck).astype(jnp.float32)


def to_score_maps(raw: jax.Array) -> jax.Array:
    """Raw maps [..., 4] -> the score maps: two scores in [0, 1], sin and cos of the direction."""
    direction = raw[..., 2:]
    return jnp.concatenate([nn.sigmoid(raw[..., :2]), unit_vectors(direction)], axis=-1)


def unit_vectors(x: jax.Array) -> jax.Array:
    """[..., 2] -> vectors of length 1; those near zero stay short, so gradients stay finite."""
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-6)
