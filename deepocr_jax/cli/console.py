"""What all commands of the command line share: errors, a handle from options, quiet libraries."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepocr_jax.reader.deep_ocr import DeepOCR

# Notes of the compiled libraries, which they write to stderr past Python.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "GLOG_minloglevel": "2", "GRPC_VERBOSITY": "ERROR"}


class CommandError(Exception):
    """A call that cannot be carried out; its message is what the user sees."""


def say(message: object) -> None:
    """Writes a line about the run to stderr."""
    print(f"deepocr: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def plain_messages() -> Iterator[None]:
    """Silences the chatter of the libraries, and shows warnings as one plain line each."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("jax", "absl", "orbax"):
        logging.getLogger(name).setLevel(logging.ERROR)

    def plain(message: Warning | str, *_: Any, **__: Any) -> str:
        return f"deepocr: warning: {message}\n"

    before, warnings.formatwarning = warnings.formatwarning, plain
    try:
        yield
    finally:
        warnings.formatwarning = before


def open_handle(mode: str, settings: Sequence[str]) -> DeepOCR:
    """Creates the handle for a mode with its `--set name=value` options.

    Raises:
        CommandError: Unknown parameter, bad value, or the weights cannot be had.
    """
    parameters = dict(map(_parse_setting, settings))
    with _without_collection():
        from deepocr_jax.errors import DeepOCRError
        from deepocr_jax.reader.deep_ocr import create_deep_ocr
    try:
        return create_deep_ocr(mode, **parameters)
    except DeepOCRError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(
            f"cannot keep models and compiled programs in the cache: {error}; "
            "set DEEPOCR_CACHE to a folder that can be written"
        ) from error


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """For imports: what they make stays, and looking for garbage in it takes a tenth of a start."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _parse_setting(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals or not name:
        raise CommandError(
            f"--set: expected name=value, got {setting!r}; "
            "for example --set detection_min_pixel_score=0.4"
        )
    return name, value


# --- progress -----------------------------------------------------------------------------------


def progress(count: int, to_file: bool) -> contextlib.AbstractContextManager[Any]:
    """A progress bar where someone watches several images; else None."""
    if (count < 2 and not to_file) or sys.stderr is None or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from tqdm import tqdm

    return tqdm(total=count, unit="image", file=sys.stderr, dynamic_ncols=True, leave=False)


def above(bar: Any) -> contextlib.AbstractContextManager[Any]:
    """Takes the bar away while something is printed."""
    return contextlib.nullcontext() if bar is None else bar.external_write_mode()
