"""Data sets on disk: one JSON file with the keys of `DLDataset`."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from deepocr_jax.data.keys import FOLDER_KEYS
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset


def read_dl_dataset(path: str | os.PathLike[str]) -> DLDataset:
    """Reads a data set.

    A relative folder in the file (`image_dir` and the like) is meant relative to the file's own
    folder and becomes absolute. Nothing else is checked: `find_faults` does so, and names the
    sample. NaN and Infinity, which are not JSON, are read for the same reason.

    Args:
        path: the JSON file.

    Raises:
        DatasetError: the file cannot be read, is not JSON, or holds no samples.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(
            f"Cannot read the dataset {file}: {error.strerror or error}; check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"Expected {file} to be JSON in UTF-8, got byte {error.object[error.start]:#04x} at "
            f"offset {error.start}; give a dl_dataset.json, or save it in UTF-8."
        ) from error
    try:
        dataset = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{file} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}; "
            "it may be truncated, so write it again."
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of too many digits, too many levels
        raise DatasetError(f"{file} cannot be read as JSON: {error}; write it again.") from error
    _check_form(dataset, str(file))
    return _with_folders(dataset, Path(os.path.abspath(file)).parent)


def write_dl_dataset(dataset: DLDataset, path: str | os.PathLike[str]) -> None:
    """Writes a data set, whole or not at all: a file that is there stays until it is replaced.

    A folder (`image_dir` and the like) in or beside the file's own folder is written relative to
    it, so that both can move together; others are written as absolute paths. Arrays and numbers
    of numpy become plain lists and numbers.

    Args:
        dataset: the data set; a relative folder in it is meant relative to the working directory.
        path: the JSON file; its folder must exist.

    Raises:
        DatasetError: a value has no JSON form (NaN, an object), or the file cannot be written.
    """
    file = Path(os.path.abspath(path))
    plain = _plain(dataset, "dataset")
    _check_form(plain, "the dataset")
    for key in FOLDER_KEYS:
        if isinstance(plain.get(key), str) and plain[key]:
            plain[key] = _relative(plain[key], file.parent)
    text = json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        # File names that are not UTF-8 hold lone surrogates, which only an escape can carry.
        data = (json.dumps(plain, indent=1, allow_nan=False) + "\n").encode("ascii")
    try:
        _replace_file(file, data)
    except OSError as error:
        raise DatasetError(
            f"Cannot write the dataset {file}: {error.strerror or error}; "
            "check the folder and its permissions."
        ) from error


def _check_form(dataset: Any, name: str) -> None:
    """Raises a `DatasetError` for what is no data set at all."""
    if not isinstance(dataset, Mapping):
        raise DatasetError(
            f"Expected {name} to hold one object with image_dir and samples, got "
            f"{type(dataset).__name__}; give a dl_dataset.json."
        )
    samples = dataset.get("samples")
    if not isinstance(samples, list) or not samples:
        got = "an empty list" if samples == [] else type(samples).__name__
        if "samples" not in dataset:
            got = f"only {', '.join(map(repr, list(dataset)[:10])) or 'nothing'}"
        raise DatasetError(
            f"Expected {name} to have samples, a list of at least one description, got {got}; "
            "add the samples."
        )


def _with_folders(dataset: dict[str, Any], folder: Path) -> DLDataset:
    """The data set with its folders absolute."""
    for key in FOLDER_KEYS:
        value = dataset.get(key)
        # An empty name would mean the file's own folder: more likely it was forgotten.
        if isinstance(value, str) and value and not os.path.isabs(value):
            dataset[key] = os.path.normpath(os.path.join(folder, value))
    return cast(DLDataset, dataset)


def _relative(value: str, folder: Path) -> str:
    """A folder as it is written: relative if it lies in `folder` or beside it."""
    absolute = Path(os.path.abspath(value))
    # Everything lies beside a folder of the root, which says nothing.
    beside = folder if folder.parent == folder.parent.parent else folder.parent
    if not absolute.is_relative_to(beside):
        return str(absolute)
    return Path(os.path.relpath(absolute, folder)).as_posix()


def _plain(value: Any, place: str) -> Any:
    """A value as JSON has it.

    Raises:
        DatasetError: it has no JSON form; the message names the place.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not np.isfinite(value):
            raise DatasetError(f"Expected a finite number at {place}, got {value}; correct it.")
        return value
    if isinstance(value, Mapping):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise DatasetError(f"Expected strings as keys of {place}, got {wrong[0]!r}; rename it.")
        return {key: _plain(entry, f"{place}[{key!r}]") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, f"{place}[{i}]") for i, entry in enumerate(value)]
    raise DatasetError(
        f"Expected text, a number, a list or a dictionary at {place}, got "
        f"{type(value).__name__}, which JSON cannot hold; leave it out or convert it."
    )


def _replace_file(file: Path, data: bytes) -> None:
    """Writes beside the file and renames, so that no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files that only their owner may read; use what open() would have given.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
