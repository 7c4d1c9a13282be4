"""A file of JSON lines that are on the disk when `append` returns, held by one process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from deepocr_jax.errors import DatasetError


class Journal:
    """Changes that are kept at once, until a whole file with all of them has been written.

    The file is locked as long as the journal is open, so that no two processes work on one dataset.

    Attributes:
        path: The file.
        entries: What the file held when it was opened. A last line that was cut off is left out.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the journal, or creates it.

        Args:
            path: The file; its folder must exist.

        Raises:
            DatasetError: Another process holds it, a line is not JSON, or it cannot be opened.
        """
        self.path = Path(path)
        try:
            self._file = _open_locked(self.path)
            lines = self.path.read_bytes().splitlines(keepends=True)
        except BlockingIOError:
            raise DatasetError(
                f"Another process works on the dataset of {self.path}; stop it first."
            ) from None
        except OSError as error:
            raise DatasetError(
                f"Cannot open {self.path}: {error.strerror or error}; check the folder and its "
                "permissions."
            ) from error
        whole = [line for line in lines if line.endswith(b"\n")]
        self._length = sum(map(len, whole))
        try:
            self.entries: list[Any] = [json.loads(line) for line in whole]
        except ValueError as error:
            os.close(self._file)
            raise DatasetError(
                f"{self.path} is damaged ({error}); move it away to go on without what it holds."
            ) from error

    @property
    def empty(self) -> bool:
        """Whether it holds nothing."""
        return self._length == 0

    def append(self, entry: Any) -> None:
        """Adds a line, and returns once it is on the disk.

        Raises:
            OSError: It could not be written, as when the disk is full; then the journal is as
                before.
        """
        line = json.dumps(entry, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        self._cut()  # What is left of a line that failed.
        os.lseek(self._file, self._length, os.SEEK_SET)
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                self._cut()
            raise
        self._length += len(line)

    def clear(self) -> None:
        """Forgets all entries, once the files renamed in its folder are on the disk."""
        _sync_folder(self.path.parent)
        self._length = 0
        self._cut()
        os.fsync(self._file)

    def close(self) -> None:
        """Lets go of the file, and removes it if it is empty."""
        if self.empty:
            with contextlib.suppress(OSError):  # It may be gone, and an empty one does no harm.
                os.unlink(self.path)
        # The number of a closed file may soon be that of another one.
        closed, self._file = self._file, -1
        os.close(closed)

    def _cut(self) -> None:
        os.ftruncate(self._file, self._length)


def _open_locked(path: Path) -> int:
    """A descriptor of the file, locked; `BlockingIOError` where another process holds it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _lock(file)
            # Its last holder may have removed it between the two lines above.
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(file)):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        # A byte far beyond the contents, since a locked one cannot be read.
        os.lseek(file, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # Folders cannot be opened there.
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
