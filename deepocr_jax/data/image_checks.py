"""Faults of the files that a data set names: where they lie, and whether they can be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from deepocr_jax.data.fault_kinds import FaultKind, shown
from deepocr_jax.data.keys import DATASET_KEYS, SAMPLE_KEYS, usable
from deepocr_jax.image import read_image

Problem = tuple[FaultKind, str]
Size = tuple[int, int]

_MAX_WORKERS = 8


def leaves_folder(name: str) -> bool:
    """Whether a file name is no path below the folder that it is relative to, as it is written."""
    windows = PureWindowsPath(name)
    if PurePosixPath(name).is_absolute() or windows.drive or windows.root:
        return True
    depth = 0
    # A data set moves between systems, so a backslash separates as well.
    for part in windows.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def path_problem(folder: str, name: str) -> Problem | None:
    """Whether a file lies outside of its folder, links followed."""
    if not name or "\0" in name:
        return "missing_file", f"Expected the name of a file, got {shown(name)}."
    if leaves_folder(name):
        return "path_leaves", f"Expected a path below {folder}, got {shown(name)}."
    try:
        base = os.path.realpath(folder)
        real = os.path.realpath(os.path.join(base, name))
        inside = os.path.commonpath([base, real]) == base
    except (OSError, ValueError) as error:
        return "missing_file", f"The path {shown(name)} cannot be followed: {error}."
    if not inside:
        return "path_leaves", f"The link {shown(name)} leads out of {folder}, to {shown(real)}."
    return None


def is_folder(path: str) -> bool:
    """Whether there is such a folder; False for what can be no path at all."""
    try:
        return os.path.isdir(path)
    except ValueError:
        return False


def named_files(
    dataset: Mapping[str, Any], sample: Mapping[str, Any]
) -> Iterable[tuple[str, str, str]]:
    """Key, folder and name of each file of a sample, where both are text."""
    for key, facts in SAMPLE_KEYS.items():
        if facts.folder is None:
            continue
        folder = usable(dataset, DATASET_KEYS, facts.folder)
        name = usable(sample, SAMPLE_KEYS, key)
        if folder is not None and name is not None:
            yield key, folder, name


def check_files(
    files: Iterable[tuple[str, str, bool]], read_images: bool
) -> dict[tuple[str, str, bool], Size | Problem | None]:
    """Looks at each file once, several at a time.

    Args:
        files: (folder, name, whether it is an image to decode) of each file; may repeat.
        read_images: False looks at the paths alone and opens nothing.

    Returns:
        For each file what is wrong with it; else (height, width) of an image, None of other files.
    """
    unique = list(dict.fromkeys(files))

    def check(file: tuple[str, str, bool]) -> Size | Problem | None:
        folder, name, is_image = file
        problem = path_problem(folder, name)
        if problem is not None or not read_images:
            return problem
        return _read(os.path.join(folder, name), is_image)

    with ThreadPoolExecutor(min(_MAX_WORKERS, os.cpu_count() or 1)) as pool:
        return dict(zip(unique, pool.map(check, unique), strict=True))


def _read(path: str, is_image: bool) -> Size | Problem | None:
    """Size of an image, None for another file that is there, or what is wrong."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        return "missing_file", f"There is no file {shown(path, 200)} ({error})."
    # A pipe or a device would block or never end.
    if not stat.S_ISREG(status.st_mode):
        return "unreadable_image" if is_image else "missing_file", (
            f"Expected {shown(path, 200)} to be a file, got a folder or a device."
        )
    if not is_image:
        return None
    try:
        height, width = read_image(path).shape[:2]
    # Whatever a decoder says of a broken file (a warning made an error, too little memory) is its
    # fault, and must not hide those of the others.
    except Exception as error:
        return "unreadable_image", f"{error}" or type(error).__name__
    return height, width
