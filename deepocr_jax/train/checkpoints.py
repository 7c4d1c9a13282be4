"""Training states on disk, so that a run that was cut off goes on as if it had not been.

    WORKDIR/states/00000120/state.json   step, progress, names and checksum of the arrays
    WORKDIR/states/00000120/arrays/      the Orbax checkpoint

A state is there whole or not at all; the two newest are kept, and a damaged one is passed over for
the one before it.
"""

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from deepocr_jax.checkpoint import atomic_folder, read_description, read_tree, write_tree
from deepocr_jax.errors import ModelFileError
from deepocr_jax.train.state import TrainState

FORMAT, FORMAT_VERSION = "deepocr_jax training state", 1
DESCRIPTION_FILE = "state.json"
ARRAYS_DIR = "arrays"
KEPT_STATES = 2


class SavedRun(NamedTuple):
    """A state, and what is known beside it: the history as plain JSON values."""

    state: TrainState
    progress: dict[str, Any]


def save_state(folder: Path, state: TrainState, progress: dict[str, Any]) -> Path:
    """Writes a state into a folder of its own inside `folder`, and drops old ones.

    Args:
        folder: Of the run's states.
        state: The state; it is named by its step.
        progress: JSON values that a later run needs.
    """
    arrays, names = _flatten(state)
    description = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "step": int(state.step),
        "arrays": names,
        "sha256": _checksum(arrays),
        "progress": progress,
    }
    place = folder / f"{int(state.step):08d}"
    with atomic_folder(place) as draft:
        write_tree(draft / ARRAYS_DIR, arrays)
        text = json.dumps(description, ensure_ascii=False, allow_nan=False)
        (draft / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
    for old in _saved(folder)[KEPT_STATES:]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def load_newest(folder: Path, like: TrainState) -> SavedRun | None:
    """The newest state that can be read; None where there is none.

    Args:
        folder: Of the run's states.
        like: A state of the same network and optimizer.

    Warns:
        UserWarning: For each damaged state that was passed over.

    Raises:
        ModelFileError: A state is sound but belongs to another network or optimizer, or all are
            damaged.
    """
    failures = []
    for place in _saved(folder):
        try:
            return _read(place, like)
        except _ForeignStateError:
            raise
        except ModelFileError as error:
            failures.append(str(error))
            warnings.warn(f"a damaged training state is passed over: {error}", stacklevel=2)
    if failures:
        raise ModelFileError(
            f"none of the training states in {folder} can be read; remove that folder to begin "
            f"again ({failures[0]})"
        )
    return None


class _ForeignStateError(ModelFileError):
    """A sound state that does not fit."""


def _saved(folder: Path) -> list[Path]:
    """The states' folders, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if p.name.isdigit()), reverse=True)


def _flatten(state: TrainState) -> tuple[dict[str, np.ndarray], list[list[Any]]]:
    """A state as numbered arrays, and for each its path, shape and type."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    arrays = {f"{i:05d}": np.asarray(value) for i, (_, value) in enumerate(leaves)}
    names = [
        [jax.tree_util.keystr(path), list(a.shape), str(a.dtype)]
        for (path, _), a in zip(leaves, arrays.values(), strict=True)
    ]
    return arrays, names


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _names_arrays(value: Any) -> bool:
    """Whether a value is what `_flatten` gives, of whatever network: [path, shape, type] each."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(entry, list) and len(entry) == 3 for entry in value)
        and all(isinstance(path, str) and isinstance(kind, str) for path, _, kind in value)
        and all(isinstance(shape, list) for _, shape, _ in value)
        and all(type(size) is int for _, shape, _ in value for size in shape)
    )


def _read(place: Path, like: TrainState) -> SavedRun:
    description = read_description(place, DESCRIPTION_FILE, FORMAT, FORMAT_VERSION)
    arrays, names = _flatten(like)
    try:
        if not _names_arrays(description["arrays"]):
            raise ValueError("arrays")
        if description["arrays"] != names:
            raise _ForeignStateError(
                f"{place} belongs to a run with another network or optimizer; "
                "choose another work folder, or remove the states to begin again"
            )
        progress, checksum = dict(description["progress"]), description["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{place / DESCRIPTION_FILE} lacks or garbles {error}") from error
    read = read_tree(place / ARRAYS_DIR, arrays)
    if _checksum({name: read[name] for name in arrays}) != checksum:
        raise ModelFileError(f"{place / ARRAYS_DIR} does not have the checksum of its description")
    structure = jax.tree_util.tree_structure(like)
    return SavedRun(jax.tree_util.tree_unflatten(structure, [read[n] for n in arrays]), progress)
