"""Building blocks shared by the networks. Arrays are NHWC; parameters are float32.

Every convolution here is written in the form that XLA compiles best on the host: pointwise
convolutions as matrix products, depthwise ones as sums of shifted products (forty times faster
than a grouped convolution on a CPU), the rest as `convolution` has it.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.models.activations import hard_sigmoid
from deepocr_jax.models.convolution import convolve
from deepocr_jax.models.depthwise import depthwise

kernel_init = nn.initializers.variance_scaling(2.0, "fan_out", "truncated_normal")


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """2x2 maximum, stride 1, without padding: [n, h + 1, w + 1, c] -> [n, h, w, c].

    As a maximum of shifted views; `lax.reduce_window` takes twice as long on a CPU.
    """
    x = jnp.maximum(x[:, :-1], x[:, 1:])
    return jnp.maximum(x[:, :, :-1], x[:, :, 1:])


def to_bfloat16(x: jax.Array) -> jax.Array:
    """Rounded to bfloat16; from float32 by integer operations, three times as fast on a CPU."""
    if x.dtype != jnp.float32:
        return x.astype(jnp.bfloat16)
    bits = lax.bitcast_convert_type(x, jnp.uint32) + 0x8000
    return lax.bitcast_convert_type((bits >> 16).astype(jnp.uint16), jnp.bfloat16)


def product(x: jax.Array, kernel: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """[..., c] times [c, d] -> [..., d] of a dtype.

    A kernel that is kept in bfloat16 makes a product of bfloat16 values with float32 sums, whatever
    the input is: twice as fast on processors that have instructions for it.
    """
    x = to_bfloat16(x) if kernel.dtype == jnp.bfloat16 else x
    over_last = (((x.ndim - 1,), (0,)), ((), ()))
    return lax.dot_general(x, kernel.astype(x.dtype), over_last, preferred_element_type=dtype)


class Dense(nn.Module):
    """Matrix product over the last axis, with a bias unless told otherwise; see `product`."""

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32
    kernel_init: Callable[..., jax.Array] = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., c] -> [..., features]."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        y = product(x.astype(self.dtype), kernel, self.dtype)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return y + bias.astype(self.dtype)


class Pointwise(nn.Module):
    """1x1 convolution (a matrix product over the channels), optionally with a bias."""

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., c] -> [..., features]."""
        dense = Dense(
            self.features, use_bias=self.use_bias, dtype=self.dtype, kernel_init=kernel_init
        )
        # As one matrix: XLA's products for the gradients are slower over more axes.
        return dense(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], self.features)


class Depthwise(nn.Module):
    """Depthwise convolution with half-kernel padding."""

    kernel_size: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, ceil(h / sh), ceil(w / sw), c]."""
        channels = x.shape[-1]
        init = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal", in_axis=(0, 1))
        kernel = self.param("kernel", init, (*self.kernel_size, channels))
        y = depthwise(x.astype(self.dtype), kernel.astype(self.dtype), self.strides)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (channels,))
            y = y + bias.astype(self.dtype)
        return y


class Kernel(nn.Module):
    """A convolution's parameters: kernel [kh, kw, c, features], bias [features] or None."""

    shape: tuple[int, int, int, int]
    use_bias: bool

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array | None]:
        """Both, float32."""
        kernel = self.param("kernel", kernel_init, self.shape)
        if not self.use_bias:
            return kernel, None
        return kernel, self.param("bias", nn.initializers.zeros_init(), self.shape[-1:])


class Conv(nn.Module):
    """Full convolution.

    Attributes:
        padding: "SAME": by half the kernel; an even one has more padding behind. "VALID": none.
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    use_bias: bool = True
    padding: str = "SAME"
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, *parts: jax.Array) -> jax.Array:
        """[n, h, w, c] each, as if joined along their channels -> [n, h', w', features].

        Smaller ones are taken as if upsampled, see `convolve`.
        """
        shape = (*self.kernel_size, sum(x.shape[-1] for x in parts), self.features)
        kernel, bias = Kernel(shape, self.use_bias, name="Conv_0")()
        assert self.padding in ("SAME", "VALID")
        pads = self.padding == "SAME"
        padding = tuple((pads * (k - 1) // 2, pads * k // 2) for k in self.kernel_size)
        parts = tuple(x.astype(self.dtype) for x in parts)
        y = convolve(parts, kernel.astype(self.dtype), self.strides, padding)
        return y if bias is None else y + bias.astype(self.dtype)


class SqueezeExcite(nn.Module):
    """Channel gate (Hu et al., arXiv 1709.01507): global mean, two products, hard sigmoid.

    `residual` adds the input to the gated input, as the RepLKFPN neck does.
    """

    slope: float
    reduction: int = 4
    residual: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, c]."""
        channels = x.shape[-1]
        gate = jnp.mean(x, axis=(1, 2), keepdims=True, dtype=jnp.float32).astype(self.dtype)
        gate = nn.relu(Pointwise(channels // self.reduction, dtype=self.dtype)(gate))
        gate = hard_sigmoid(Pointwise(channels, dtype=self.dtype)(gate), self.slope)
        return x * (1.0 + gate) if self.residual else x * gate
