"""The images of a dataset as a browser can show them: the pixels that training sees, as PNG."""

from __future__ import annotations

import functools
import io
import os
import stat
import threading

from PIL import Image

from deepocr_jax.data.image_checks import path_problem
from deepocr_jax.errors import ImageReadError
from deepocr_jax.image import read_image

KEPT = 4
"""Images that are kept for the next request."""


class ImageFiles:
    """Images of one folder, by their names in it. May be used by several threads."""

    def __init__(self, folder: str) -> None:
        """Takes the folder; no name leads out of it, links followed."""
        self._folder = folder
        self._sizes: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._encoded = functools.lru_cache(KEPT)(_encode)

    def size(self, name: str) -> tuple[int, int]:
        """(height, width) of an image in pixels; raises as `png`."""
        if name not in self._sizes:
            self.png(name)
        return self._sizes[name]

    def png(self, name: str) -> bytes:
        """An image as a PNG file.

        Raises:
            ImageError: The name leads out of the folder, or there is no image that can be read.
        """
        problem = path_problem(self._folder, name)
        if problem is not None:
            raise ImageReadError(problem[1])
        path = os.path.realpath(os.path.join(self._folder, name))
        try:
            status = os.stat(path)
        except OSError as error:
            raise ImageReadError(f"There is no image file {name!r} ({error.strerror}).") from error
        if not stat.S_ISREG(status.st_mode):  # A pipe or a device would block or never end.
            raise ImageReadError(f"Expected {name!r} to be a file, got a folder or a device.")
        with self._lock:  # One at a time, since an image may take much memory.
            size, data = self._encoded(path, status.st_mtime_ns)
        self._sizes[name] = size
        return data


def _encode(path: str, _changed: int) -> tuple[tuple[int, int], bytes]:
    pixels = read_image(path)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=1)
    return (pixels.shape[0], pixels.shape[1]), data.getvalue()
