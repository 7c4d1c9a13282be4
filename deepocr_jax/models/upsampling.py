"""Nearest upsampling, and 3x3 convolutions of what it gives, computed where the pixels are few.

The pixels of an upsampled array lie in blocks of equal ones, so that a convolution has few values
in a block: those at its edges, and the one inside. Each is a convolution of the small array.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SIDE = 3
"""Rows and columns of the kernels."""


def upsample_nearest(x: jax.Array, factor: int) -> jax.Array:
    """[n, h, w, c] -> [n, factor * h, factor * w, c], each pixel repeated."""
    n, h, w, c = x.shape
    x = jnp.broadcast_to(x[:, :, None, :, None, :], (n, h, factor, w, factor, c))
    return x.reshape(n, factor * h, factor * w, c)


def convolve_upsampled(x: jax.Array, kernel: jax.Array, factor: int) -> jax.Array:
    """A convolution of strides 1, padded to keep the shape, of an array upsampled by a factor.

    At a factor of 2 it takes as many products as of the array upsampled, at 4 half as many, at 8 an
    eighth; nothing is moved but the values of the result.

    Args:
        x: [n, h, w, c].
        kernel: [3, 3, c, features].
        factor: 2 or more.

    Returns:
        [n, factor * h, factor * w, features].
    """
    phases = (0, 1) if factor == 2 else (0, 1, factor - 1)
    taps = _taps(phases, factor)
    # As a product of each channel's and feature's kernel with the taps of every pair of phases.
    kernels = jnp.einsum("pat,qbu,tucf->abcpqf", taps, taps, kernel)
    kernels = kernels.reshape(*kernel.shape[:3], -1)
    layout = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernels, (1, 1), "SAME", dimension_numbers=layout)
    n, h, w, _ = x.shape
    y = y.reshape(n, h, w, len(phases), len(phases), -1)
    for axis in (3, 4):
        y = _fill(y, axis, factor)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(n, factor * h, factor * w, -1)


def _taps(phases: tuple[int, ...], factor: int) -> np.ndarray:
    """[phases, 3, 3]: which of a kernel's taps meets which of a pixel's small neighbours, as 0, 1.

    Along one axis, for some of the pixels of a block.
    """
    taps = np.zeros((len(phases), SIDE, SIDE), np.float32)
    for i, phase in enumerate(phases):
        for tap in range(SIDE):
            taps[i, (phase + tap - 1) // factor + 1, tap] = 1
    return taps


def _fill(y: jax.Array, axis: int, factor: int) -> jax.Array:
    """The first, an inner and the last pixel of blocks along an axis -> all pixels of them."""
    if y.shape[axis] == factor:
        return y
    first, inner, last = jnp.split(y, 3, axis)
    return jnp.concatenate([first, *[inner] * (factor - 2), last], axis)
