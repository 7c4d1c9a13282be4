"""Depthwise convolution as a sum of shifted products, with a gradient that suits the CPU.

XLA compiles grouped convolutions to scalar loops on a CPU; the shifted sum is forty times faster.
The gradient that JAX derives from it is again slow for the kernel (a reduction over rows and
columns for each tap, none of which vectorises), so it is written out here: ten times faster.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Strides = tuple[int, int]


def depthwise(x: jax.Array, kernel: jax.Array, strides: Strides) -> jax.Array:
    """Depthwise convolution, padded by half the kernel.

    Args:
        x: [n, h, w, c].
        kernel: [kh, kw, c], kh and kw odd.
        strides: Of rows and columns.

    Returns:
        [n, ceil(h / sh), ceil(w / sw), c].
    """
    return _depthwise(x, kernel, strides)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _depthwise(x: jax.Array, kernel: jax.Array, strides: Strides) -> Any:
    kh, kw, _ = kernel.shape
    rows, cols = ((side - 1) // s + 1 for side, s in zip(x.shape[1:3], strides, strict=True))
    return _shifted_sum(_padded(x, kh // 2, kw // 2), kernel, (rows, cols), strides)


def _padded(x: jax.Array, rows: int, cols: int) -> jax.Array:
    # The barrier keeps XLA from computing the padded input anew for each of the kernel's taps.
    return lax.optimization_barrier(jnp.pad(x, ((0, 0), (rows, rows), (cols, cols), (0, 0))))


def _shifted_sum(
    x: jax.Array, kernel: jax.Array, shape: tuple[int, int], strides: Strides
) -> jax.Array:
    """Sum over the taps of windows of the padded `x` times the tap: [n, *shape, c]."""
    (rows, cols), (sh, sw) = shape, strides
    total = None
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            window = x[:, i : i + (rows - 1) * sh + 1 : sh, j : j + (cols - 1) * sw + 1 : sw]
            term = window * kernel[i, j]
            total = term if total is None else total + term
    assert total is not None
    return total


def _forward(
    x: jax.Array, kernel: jax.Array, strides: Strides
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _depthwise(x, kernel, strides), (x, kernel)


def _backward(
    strides: Strides, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    of_kernel = lax.platform_dependent(
        x,
        grad,
        cpu=functools.partial(_kernel_gradient_by_rows, kernel.shape, strides),
        default=functools.partial(_kernel_gradient, kernel.shape, strides),
    )
    return _input_gradient(x.shape, kernel, strides, grad), of_kernel.astype(kernel.dtype)


def _input_gradient(
    shape: tuple[int, ...], kernel: jax.Array, strides: Strides, grad: jax.Array
) -> jax.Array:
    """The flipped kernel over the gradient, spread out by the strides."""
    _, h, w, _ = shape
    padding = [(0, 0, 0)]
    for side, length, k, s in zip((h, w), grad.shape[1:3], kernel.shape, strides, strict=False):
        half = k // 2
        padding.append((half, side - ((length - 1) * s + 1) + half, s - 1))
    spread = lax.pad(grad, jnp.zeros((), grad.dtype), [*padding, (0, 0, 0)])
    return _shifted_sum(lax.optimization_barrier(spread), kernel[::-1, ::-1], (h, w), (1, 1))


def _kernel_gradient(
    shape: tuple[int, ...], strides: Strides, x: jax.Array, grad: jax.Array
) -> jax.Array:
    """One reduction a tap: [kh, kw, c] float32."""
    (kh, kw, _), (sh, sw) = shape, strides
    _, rows, cols, _ = grad.shape
    x = _padded(x, kh // 2, kw // 2)
    taps = []
    for i in range(kh):
        for j in range(kw):
            window = x[:, i : i + (rows - 1) * sh + 1 : sh, j : j + (cols - 1) * sw + 1 : sw]
            taps.append(jnp.sum(window * grad, axis=(0, 1, 2), dtype=jnp.float32))
    return jnp.stack(taps).reshape(shape)


def _kernel_gradient_by_rows(
    shape: tuple[int, ...], strides: Strides, x: jax.Array, grad: jax.Array
) -> jax.Array:
    """The same, row by row into one vectorised sum [w, c] a tap, which stays in the cache."""
    (kh, kw, c), (sh, sw) = shape, strides
    n, rows, cols, _ = grad.shape
    x = _padded(x, kh // 2, kw // 2)

    def add_row(number: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        image, row = number // rows, number % rows
        of_grad = lax.dynamic_slice(grad, (image, row, 0, 0), (1, 1, cols, c))[0, 0]
        window = lax.dynamic_slice(x, (image, row * sh, 0, 0), (1, kh, x.shape[2], c))[0]
        shifted = [
            window[i, j : j + (cols - 1) * sw + 1 : sw] for i in range(kh) for j in range(kw)
        ]
        return tuple(s + (v * of_grad).astype(s.dtype) for s, v in zip(sums, shifted, strict=True))

    zeros = tuple(jnp.zeros((cols, c), jnp.float32) for _ in range(kh * kw))
    sums = lax.fori_loop(0, n * rows, add_row, zeros)
    return jnp.stack([s.sum(axis=0) for s in sums]).reshape(shape)


_depthwise.defvjp(_forward, _backward)
