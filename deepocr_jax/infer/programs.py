"""Compiled programs: how functions are jitted for a device, and where compilations are kept."""

import functools
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# jax.Device is declared as a variable, which type checkers refuse in annotations.
Device = Any

# Measured on two AVX-512 cores, JAX 0.10: XLA's YNNPACK fusions slow these networks down by 1.3
# to 1.6 times, and vectors of 512 bits speed them up by 1.1.
FUSIONS = "xla_cpu_experimental_ynn_fusion_type"
CPU_OPTIONS = {FUSIONS: "", "xla_cpu_prefer_vector_width": 512}
# Of the fusions only plain products, which are those that know bfloat16.
BFLOAT16_OPTIONS = {**CPU_OPTIONS, FUSIONS: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
# Instructions that multiply pairs of bfloat16 numbers and add in float32.
BFLOAT16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}
# The first layers, whose errors spread furthest. With their products exact, a recognizer reads 52
# instead of 63 of 4,468 ICDAR words otherwise than in float32, and takes 2 % longer.
EXACT_LAYER = "Stem"


@functools.cache
def compiler_options(platform: str) -> dict[str, Any]:
    """The compiler options for training on a platform that the installed XLA knows."""
    return _known_options(CPU_OPTIONS) if platform == "cpu" else {}


def _known_options(options: dict[str, Any]) -> dict[str, Any]:
    device = jax.local_devices(backend="cpu")[0]
    probe = jax.ShapeDtypeStruct(
        (), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(device)
    )
    known = {}
    for name, value in options.items():
        lowered = jax.jit(lambda x: x + 1).lower(probe)
        try:
            lowered.compile(compiler_options={name: value})
        except jax.errors.JaxRuntimeError:  # "No such compile option" in this release of XLA.
            continue
        known[name] = value
    return known


def wanted_options(platform: str) -> dict[str, Any]:
    """The compiler options for inference on a platform, whether or not the installed XLA has them.

    Which it has is found out by compiling, which takes longer than to load a compiled program.
    """
    if platform != "cpu":
        return {}
    return BFLOAT16_OPTIONS if multiplies_bfloat16() else CPU_OPTIONS


@functools.cache
def inference_options(platform: str) -> dict[str, Any]:
    """Those of the wanted options that the installed XLA knows."""
    wanted = wanted_options(platform)
    return _known_options(wanted) if wanted else {}


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The processor's instruction sets; empty where the system does not tell (all but Linux)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            flags = next((x for x in lines if x.startswith(("flags", "Features"))), "")
    except OSError:
        return frozenset()
    return frozenset(flags.partition(":")[2].split())


def multiplies_bfloat16() -> bool:
    """Whether this machine's processor has instructions for products of bfloat16 numbers."""
    return not BFLOAT16_INSTRUCTIONS.isdisjoint(cpu_flags())


def with_fast_products(variables: Any, platform: str) -> Any:
    """A network's variables, its matrices in bfloat16 where the processor multiplies those faster.

    See `models.layers.Dense`: sums and everything else stay float32, as on TPUs by default.
    """
    if platform != "cpu" or not multiplies_bfloat16():
        return variables
    return jax.tree_util.tree_map_with_path(_fast_product, variables)


def _fast_product(path: Any, value: Any) -> Any:
    names = [key.key for key in path]
    is_matrix = names[-1] == "kernel" and np.ndim(value) == 2
    is_exact = any(name.startswith(EXACT_LAYER) for name in names)
    return np.asarray(value, jnp.bfloat16) if is_matrix and not is_exact else value


def enable_compilation_cache(folder: Path) -> None:
    """Keeps compiled programs in `folder`, unless the process has chosen a place already."""
    if (
        jax.config.values["jax_compilation_cache_dir"]
        or os.environ.get("JAX_ENABLE_COMPILATION_CACHE") == "0"
    ):
        return
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def resolve_devices(device: Any) -> tuple[Device, ...]:
    """A device, a platform's name, or a list of either -> JAX devices.

    None: the first accelerator, else the CPU.

    Raises:
        ValueError: No such device.
    """
    if device is None:
        return (jax.local_devices()[0],)
    if isinstance(device, str):
        platform = {"gpu": "gpu", "cuda": "gpu", "tpu": "tpu", "cpu": "cpu"}.get(device.lower())
        if platform is None:
            raise ValueError(f'expected "cpu", "gpu" or "tpu", got {device!r}')
        try:
            return (jax.local_devices(backend=platform)[0],)
        except RuntimeError as error:
            have = sorted({d.platform for d in jax.local_devices()})
            raise ValueError(f"no {device!r} device here; this process has {have}") from error
    if isinstance(device, jax.Device):
        return (device,)
    if isinstance(device, (list, tuple)) and device:
        return tuple(d for item in device for d in resolve_devices(item))
    raise ValueError(f'expected a JAX device, "cpu", "gpu", "tpu" or a list, got {device!r}')
