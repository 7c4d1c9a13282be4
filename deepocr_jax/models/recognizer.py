"""Text recognizer SVTR_LCNet: LCNetV4 backbone, attention neck, CTC head.

SVTR: Du et al., arXiv 2205.00159; its LCNet form: PP-OCRv3, arXiv 2206.03001. The head is a plain
matrix product, kept apart from the body so that its columns can be sliced to an alphabet and so
that nobody computes 18,710 probabilities of a frame that they do not read.
"""

from dataclasses import dataclass, replace

import flax.linen as nn
import jax
import jax.numpy as jnp

from deepocr_jax.models.batch_norm import BatchNorm
from deepocr_jax.models.layers import Dense, Depthwise, Pointwise
from deepocr_jax.models.lcnet import LCNet, LCNetSpec


@dataclass(frozen=True)
class RecognizerSpec:
    """Backbone, width and depth of the attention neck, and the number of classes with blank.

    `least_width` is the narrowest canvas, in columns, that it has learned to read: shorter words
    are padded to it.
    """

    backbone: LCNetSpec
    neck_features: int
    num_classes: int
    neck_depth: int = 2
    num_heads: int = 8
    mlp_ratio: int = 2
    least_width: int = 160

    def body_only(self) -> "RecognizerSpec":
        """The network without its head: recognizers that share a body share programs."""
        return replace(self, num_classes=0, least_width=0)


class PointwiseNormSwish(nn.Module):
    """Pointwise convolution, batch normalisation, swish."""

    features: int
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None
    momentum: float = 0.9

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """[..., c] -> [..., features]."""
        x = Pointwise(self.features, use_bias=False, dtype=self.dtype)(x)
        norm = BatchNorm(self.dtype, self.axis_name, self.momentum)
        return nn.swish(norm(x, train, mask))


class Attention(nn.Module):
    """Multi-head self-attention over the frames."""

    num_heads: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, t, c] -> [n, t, c]."""
        n, t, c = x.shape
        qkv = Dense(3 * c, dtype=self.dtype)(x).reshape(n, t, 3, self.num_heads, -1)
        query, key, value = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        scores = jnp.einsum("nqhd,nkhd->nhqk", query * query.shape[-1] ** -0.5, key)
        weights = nn.softmax(scores.astype(jnp.float32), axis=-1).astype(self.dtype)
        mixed = jnp.einsum("nhqk,nkhd->nqhd", weights, value).reshape(n, t, c)
        return Dense(c, dtype=self.dtype)(mixed)


class AttentionBlock(nn.Module):
    """Pre-norm transformer block."""

    num_heads: int
    mlp_ratio: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, t, c] -> [n, t, c]."""
        c = x.shape[-1]
        y = nn.LayerNorm(epsilon=1e-5, dtype=self.dtype)(x)
        x = x + Attention(self.num_heads, dtype=self.dtype)(y)
        y = nn.LayerNorm(epsilon=1e-5, dtype=self.dtype)(x)
        y = nn.swish(Dense(self.mlp_ratio * c, dtype=self.dtype)(y))
        return x + Dense(c, dtype=self.dtype)(y)


class AttentionNeck(nn.Module):
    """Two branches over the frames: a plain one, and one with local mixing and attention."""

    spec: RecognizerSpec
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None
    momentum: float = 0.9

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """[n, t, c] -> [n, t, neck_features]."""
        f, dtype = self.spec.neck_features, self.dtype
        statistics = self.axis_name, self.momentum
        short = PointwiseNormSwish(f, dtype, *statistics)(x, train, mask)
        x = PointwiseNormSwish(f, dtype, *statistics)(x, train, mask)
        local = Depthwise((1, 7), use_bias=False, dtype=dtype)(x[:, None])[:, 0]
        x = x + nn.swish(BatchNorm(dtype, *statistics)(local, train, mask))
        for _ in range(self.spec.neck_depth):
            x = AttentionBlock(self.spec.num_heads, self.spec.mlp_ratio, dtype=dtype)(x)
        return short + nn.LayerNorm(epsilon=1e-6, dtype=dtype)(x)


class RecognizerBody(nn.Module):
    """Everything but the head: [n, h, w, 3] -> frame features [n, w / 8, neck_features].

    It learned crops 48 pixels high, and can look at them smaller: h is a multiple of 16.
    """

    spec: RecognizerSpec
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None
    momentum: float = 0.9

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """The normalised crop -> its frame features; `mask` [n] is 0 for rows that only fill."""
        x = LCNet(self.spec.backbone, dtype=self.dtype)(x.astype(self.dtype))[-1]
        window = x.shape[1], 2
        x = nn.avg_pool(x, window, strides=window)[:, 0]
        neck = AttentionNeck(self.spec, self.dtype, self.axis_name, self.momentum)
        return neck(x, train, mask)


class Recognizer(nn.Module):
    """Body and head: [n, 48, w, 3] -> logits [n, w / 8, num_classes], blank first."""

    spec: RecognizerSpec
    dtype: jnp.dtype = jnp.float32
    axis_name: str | None = None
    momentum: float = 0.9

    def setup(self) -> None:
        """Name the two parts, so that their parameters can be taken apart."""
        self.body = RecognizerBody(self.spec, self.dtype, self.axis_name, self.momentum)
        self.head = Dense(self.spec.num_classes, dtype=self.dtype)

    def __call__(
        self, x: jax.Array, train: bool = False, mask: jax.Array | None = None
    ) -> jax.Array:
        """The normalised crop -> its logits; `mask` as for the body."""
        return self.head(self.body(x, train, mask))
