"""What a device can do at most: products and copies, measured with plain JAX programs."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deepocr_jax.infer.programs import Device, inference_options
from deepocr_jax.models.layers import product

REPEATS = 20


def best_seconds(function: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Least duration of some calls, after one that does not count."""
    jax.block_until_ready(function())
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        durations.append(time.perf_counter() - start)
    return min(durations)


def product_peak(device: Device, dtype: str, side: int) -> float:
    """FLOP a second of square products with float32 sums."""
    options = inference_options(device.platform)
    # Random numbers: products of ones need less power, and run faster where that is the limit.
    a = jax.device_put(jax.random.normal(jax.random.key(0), (side, side), dtype), device)
    times = jax.jit(lambda x, y: product(x, y, jnp.float32), compiler_options=options)
    return 2 * side**3 / best_seconds(lambda: times(a, a))


def copy_peak(device: Device, elements: int) -> float:
    """Bytes a second that are read and written by an addition."""
    x = jax.device_put(jnp.ones(elements, jnp.float32), device)
    add = jax.jit(lambda v: v + 1.0)
    return 2 * x.nbytes / best_seconds(lambda: add(x))


def machine_peaks(device: Device) -> dict[str, float]:
    """Measured peaks: "float32" and "bfloat16" in FLOP/s, "memory" in bytes/s."""
    on_host = device.platform == "cpu"
    side, elements = (1024, 2**25) if on_host else (8192, 2**28)
    return {
        "float32": product_peak(device, "float32", side),
        "bfloat16": product_peak(device, "bfloat16", side),
        "memory": copy_peak(device, elements),
    }
