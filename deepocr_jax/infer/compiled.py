"""Functions compiled for a device, which later processes load without tracing them again.

JAX's own cache spares a process the compilation, but not the tracing and lowering that tell what to
compile, and these take most of the time until the first result. Here the name of the file tells:
what the function is made from, this library's source, the shapes, and the machine.
"""

import hashlib
import os
import pickle
import platform
import tempfile
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import jax
from jax.experimental import serialize_executable

from deepocr_jax.infer.programs import Device, cpu_flags, inference_options, wanted_options

PREPARED_EVENT = "/deepocr_jax/program_prepared"
"""Recorded with `jax.monitoring` for each program that is compiled or loaded."""
_SOURCES = ("models", "infer", "text", "preprocess.py")


class _Prepared:
    """A compiled program, once it is there."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.compiled: Any = None


# Those asked for last; others live only as long as a handle that uses them, since a program takes
# hundreds of memory mappings, of which a process has 65 thousand.
@lru_cache(maxsize=64)
def _prepared(name: str) -> _Prepared:
    return _Prepared()


_lock = Lock()
_folder: Path | None = None


class Program:
    """A function on one device with its first argument fixed, compiled once for each shape.

    Attributes:
        device: Where it runs.
    """

    def __init__(
        self, function: Callable[..., Any], weights: Any, device: Device, identity: str
    ) -> None:
        """Compiles nothing yet.

        Args:
            function: (weights, *arrays, **static) -> arrays; pure.
            weights: Its first argument; put onto the device.
            device: Where it runs.
            identity: Tells what the function is made from, apart from this library's source.
        """
        self._weights = jax.device_put(weights, device)
        self._function, self.device = function, device
        leaves, tree = jax.tree.flatten(self._weights)
        of_weights = [str(tree), *((x.shape, str(x.dtype)) for x in leaves)]
        self._told = repr([identity, of_weights, device.id])
        self._by_shape: dict[Any, _Prepared] = {}

    def __call__(self, *arrays: Any, **static: Any) -> Any:
        """The function's value."""
        key = _call_key(arrays, static)
        prepared = self._by_shape.get(key)
        if prepared is None:
            prepared = self._by_shape[key] = self._prepare(repr(key), arrays, static)
        return prepared.compiled(self._weights, *arrays)

    def bytes_accessed(self, *arrays: Any, **static: Any) -> float:
        """Bytes that the operations of a call read and write, as XLA counts them once compiled.

        What lies in a cache is counted like the rest.
        """
        self(*arrays, **static)
        compiled = self._by_shape[_call_key(arrays, static)].compiled
        return float(compiled.cost_analysis()["bytes accessed"])

    def flops(self, *arrays: Any, **static: Any) -> float:
        """Floating-point operations of a call, as XLA counts them before it optimizes."""
        jitted = jax.jit(self._function, static_argnames=tuple(static))
        counted = jitted.lower(self._weights, *arrays, **static).cost_analysis()
        assert counted is not None
        return float(counted["flops"])

    def _prepare(self, shapes: str, arrays: tuple[Any, ...], static: dict[str, Any]) -> _Prepared:
        """The compiled function; of several threads that ask at once, one makes it."""
        told = repr([self._told, shapes, _told_of_machine(self.device.platform)])
        name = hashlib.sha256(told.encode()).hexdigest()
        with _lock:
            prepared = _prepared(name)
        with prepared.lock:
            if prepared.compiled is None:
                prepared.compiled = self._load_or_compile(name, arrays, static)
        return prepared

    def _load_or_compile(self, name: str, arrays: tuple[Any, ...], static: dict[str, Any]) -> Any:
        jax.monitoring.record_event(PREPARED_EVENT)
        folder = _folder
        compiled = _load(folder / name, self.device) if folder else None
        if compiled is None:
            options = inference_options(self.device.platform)
            jitted = jax.jit(
                self._function, static_argnames=tuple(static), compiler_options=options
            )
            compiled = jitted.lower(self._weights, *arrays, **static).compile()
            if folder and not jax_keeps_programs():
                _keep(compiled, folder / name)
        return compiled


def _call_key(arrays: tuple[Any, ...], static: dict[str, Any]) -> Any:
    return tuple((a.shape, a.dtype.char) for a in arrays), tuple(static.items())


def keep_programs(folder: Path) -> None:
    """From now on compiled programs are kept in a folder, and loaded from it.

    Unless the environment has JAX_ENABLE_COMPILATION_CACHE=0.
    """
    global _folder
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE") != "0":
        folder.mkdir(parents=True, exist_ok=True)
        _folder = folder


def jax_keeps_programs() -> bool:
    """Whether JAX's own cache is on.

    Then that has to do: what comes out of it cannot be written again, since JAX 0.10 serializes it
    without its functions.
    """
    values = jax.config.values
    return bool(values["jax_enable_compilation_cache"] and values["jax_compilation_cache_dir"])


def forget_programs() -> None:
    """Forgets what this process has compiled or loaded; handles that exist keep theirs."""
    _prepared.cache_clear()


def _load(path: Path, device: Device) -> Any:
    """The program in a file; None where there is none, or none that this JAX can load."""
    try:
        payload, in_tree, out_tree = pickle.loads(path.read_bytes())
        return serialize_executable.deserialize_and_load(
            payload, in_tree, out_tree, backend=device.client, execution_devices=[device]
        )
    except FileNotFoundError:
        return None
    except Exception:
        # Whatever is wrong with a file of the cache, the remedy is to compile, and to replace it.
        return None


def _keep(compiled: Any, path: Path) -> None:
    """Writes a program in one piece, so that other processes see it whole or not at all."""
    content = pickle.dumps(serialize_executable.serialize(compiled))
    handle, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(draft, path)


@cache
def _told_of_machine(kind: str) -> str:
    """What a compiled program depends on besides its function and shapes."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in _SOURCES:
        source = package / name
        for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(file.read_bytes())
    device = jax.local_devices(backend=kind)[0]
    told = [digest.hexdigest(), jax.__version__, version("jaxlib"), device.device_kind]
    told += [device.client.platform_version, platform.machine(), os.environ.get("XLA_FLAGS", "")]
    told += [wanted_options(kind), jax.config.values["jax_default_matmul_precision"]]
    return repr([*told, sorted(cpu_flags()) if kind == "cpu" else ""])
