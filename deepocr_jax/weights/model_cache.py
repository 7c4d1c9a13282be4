"""Converted models, kept for later starts: read in a tenth of the time that a checkpoint takes.

FOLDER/model.json     the description, as of a checkpoint
FOLDER/variables.npy  the variables' values in the order of their paths: [n] float32
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deepocr_jax.checkpoint import (
    ModelCheckpoint,
    atomic_folder,
    flat_items,
    nested,
    read_model,
    write_description,
)
from deepocr_jax.errors import ModelFileError

VALUES_FILE = "variables.npy"
CACHE_VERSION = 2


def model_cache_dir() -> Path:
    """The folder that keeps converted weights and compiled programs.

    `DEEPOCR_CACHE` if set, else `deepocr_jax` under `XDG_CACHE_HOME` or `~/.cache`.
    """
    chosen = os.environ.get("DEEPOCR_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "deepocr_jax"


def through_cache(
    name: str, sha256: str, make: Callable[[], ModelCheckpoint], cache_dir: Path | None = None
) -> ModelCheckpoint:
    """A model out of the cache, made and kept there by the first call.

    Args:
        name: Of the model.
        sha256: Checksum of what it is made from.
        make: Makes it.
        cache_dir: Folder of the cache; `model_cache_dir()` unless given.

    Raises:
        ModelFileError: See `read_cached_model`; and what `make` raises.
    """
    folder = (cache_dir or model_cache_dir()) / "models" / f"{name}-{sha256[:12]}-{CACHE_VERSION}"
    if not folder.exists():
        write_cached_model(folder, make())
    return read_cached_model(folder)


def write_cached_model(folder: Path, model: ModelCheckpoint) -> None:
    """Writes a model with float32 variables, atomically; of two processes the first one wins."""
    values = [array.ravel() for _, array in flat_items(model.variables)]
    with atomic_folder(folder, exist_ok=True) as draft:
        write_description(draft, model)
        np.save(draft / VALUES_FILE, np.concatenate(values, dtype=np.float32, casting="no"))


def read_cached_model(folder: Path) -> ModelCheckpoint:
    """Reads what `write_cached_model` wrote.

    Raises:
        ModelFileError: The folder is missing, is not a model's, or a file in it is damaged.
    """
    return read_model(folder, lambda shapes: _read_values(folder / VALUES_FILE, shapes))


def _read_values(path: Path, shapes: dict[str, Any]) -> dict[str, Any]:
    wanted = flat_items(shapes)
    sizes = [math.prod(x.shape) for _, x in wanted]
    try:
        values = np.load(path, allow_pickle=False)
        parts = np.split(values, np.cumsum(sizes)[:-1])
        return nested(
            {p: part.reshape(x.shape) for (p, x), part in zip(wanted, parts, strict=True)}
        )
    except (OSError, ValueError, EOFError) as error:
        raise ModelFileError(
            f"{path} cannot be read ({error}); remove its folder, which is then made again"
        ) from error
