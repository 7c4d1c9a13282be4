"""Full convolution, in the form that XLA computes fastest on the platform that it compiles for."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.models.upsampling import convolve_upsampled, upsample_nearest

Strides = tuple[int, int]
Padding = Sequence[tuple[int, int]]

# Of so few channels a convolution on a CPU is a sum of shifted products: XLA's own takes twice as
# long for the three of an image.
FEW_CHANNELS = 4


def convolve(
    parts: Sequence[jax.Array], kernel: jax.Array, strides: Strides, padding: Padding
) -> jax.Array:
    """Convolution of arrays as if they were joined along their channels.

    Args:
        parts: [n, h, w, c] each. An array that is smaller than another by a whole factor counts as
            if it were upsampled, each pixel repeated; that takes a 3x3 kernel that keeps the shape.
        kernel: [kh, kw, sum of c, features].
        strides: Of rows and columns.
        padding: Zeros before and after the rows, and the columns.

    Returns:
        [n, h', w', features].
    """
    if len(parts) == 1:
        form = _convolve_few if kernel.shape[2] <= FEW_CHANNELS else _plain
        return form(parts[0], kernel, strides, padding)
    how = {"strides": strides, "padding": padding}
    return lax.platform_dependent(
        list(parts),
        kernel,
        cpu=functools.partial(_of_each, **how),
        default=functools.partial(_of_joined, **how),
    )


def _plain(x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)


def _of_joined(
    parts: Sequence[jax.Array], kernel: jax.Array, strides: Strides, padding: Padding
) -> jax.Array:
    height = max(x.shape[1] for x in parts)
    parts = [upsample_nearest(x, height // x.shape[1]) for x in parts]
    return _plain(jnp.concatenate(parts, axis=-1), kernel, strides, padding)


def _of_each(
    parts: Sequence[jax.Array], kernel: jax.Array, strides: Strides, padding: Padding
) -> jax.Array:
    """One convolution a part, with float32 sums; joining them would take as long as these."""
    total, first = jnp.zeros((), jnp.float32), 0
    height = max(x.shape[1] for x in parts)
    for x in parts:
        mine = kernel[:, :, first : first + x.shape[-1]].astype(jnp.float32)
        wide, factor = x.astype(jnp.float32), height // x.shape[1]
        if factor > 1:
            assert kernel.shape[:2] == (3, 3) and strides == (1, 1) and padding == ((1, 1), (1, 1))
            total += convolve_upsampled(wide, mine, factor)
        else:
            total += _plain(wide, mine, strides, padding)
        first += x.shape[-1]
    return total.astype(kernel.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve_few(x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding) -> jax.Array:
    how = {"strides": strides, "padding": padding}
    return lax.platform_dependent(
        x,
        kernel,
        cpu=functools.partial(_shifted_sum, **how),
        default=functools.partial(_plain, **how),
    )


def _shifted_sum(x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding) -> jax.Array:
    """Sum over taps and channels of windows times the tap's features; sums are float32."""
    kh, kw, channels, _ = kernel.shape
    # The barrier keeps XLA from computing the padded input anew for each tap.
    x = lax.optimization_barrier(jnp.pad(x, ((0, 0), *padding, (0, 0))))
    (sh, sw), (_, height, width, _) = strides, x.shape
    rows, cols = (height - kh) // sh * sh + 1, (width - kw) // sw * sw + 1
    total = jnp.zeros((), jnp.float32)
    for i in range(kh):
        for j in range(kw):
            window = x[:, i : i + rows : sh, j : j + cols : sw].astype(jnp.float32)
            for c in range(channels):
                total = total + window[..., c : c + 1] * kernel[i, j, c].astype(jnp.float32)
    return total.astype(x.dtype)


def _forward(
    x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _convolve_few(x, kernel, strides, padding), (x, kernel)


def _backward(
    strides: Strides, padding: Padding, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The plain convolution's gradients, which are faster than the shifted sum's."""
    _, pull_back = jax.vjp(lambda x, k: _plain(x, k, strides, padding), *saved)
    return pull_back(grad)


_convolve_few.defvjp(_forward, _backward)
