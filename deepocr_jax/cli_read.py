"""The command `deepocr read`: images in, text or JSON lines out."""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepocr_jax.cli_common import CommandError, open_handle, say

if TYPE_CHECKING:
    import numpy as np

    from deepocr_jax.deep_ocr import DeepOCR
    from deepocr_jax.errors import ImageError
    from deepocr_jax.types import DeepOCRResult

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2")
"""Endings of the files that are taken from folders."""

# Images that are read together: enough to fill groups of lines, few enough to show progress, and
# together at most this many pixels, as all of them are in memory at once.
CHUNK_IMAGES = 8
CHUNK_PIXELS = 2**26

BOX_DIGITS = {"row": 3, "col": 3, "phi": 6, "length1": 3, "length2": 3}


@dataclass(frozen=True)
class Loaded:
    """A path with its image (uint8 RGB [h, w, 3]), or with what is wrong with it."""

    path: str
    image: np.ndarray | ImageError


def run_read(args: argparse.Namespace) -> int:
    """Reads images and prints what they say; 0 if all could be read, else 1.

    Raises:
        CommandError: A path matches nothing, or the handle cannot be made.
    """
    paths = find_images(args.paths)
    handle = open_handle(args.mode, args.set)
    failed = 0
    with _progress(len(paths)) as bar:
        for loaded, result in _read_all(paths, handle, args.mode):
            failed += result is None
            with _above(bar):
                _show(loaded, result, args.json, header=len(paths) > 1)
            if bar is not None:
                bar.update()
    return 1 if failed else 0


def find_images(patterns: Sequence[str]) -> list[str]:
    """Files, folders and globs -> image files in order, each once.

    Raises:
        CommandError: One of them matches nothing.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        # A name that exists is meant as it is, even with brackets in it.
        matches = (
            [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        )
        if not matches:
            raise CommandError(f"no such file or folder: {pattern}")
        files = [file for match in matches for file in _files(match)]
        if not files:
            raise CommandError(
                f"no images in {pattern}; expected files that end in {', '.join(SUFFIXES)}"
            )
        found.update(dict.fromkeys(files))
    return list(found)


def _files(path: str) -> list[str]:
    """A file itself; of a folder all images in it and below, but no hidden ones."""
    if not os.path.isdir(path):
        return [path]
    files = []
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        images = (n for n in names if n.lower().endswith(SUFFIXES) and not n.startswith("."))
        files += [os.path.join(folder, name) for name in sorted(images)]
    return files


def _read_all(
    paths: Sequence[str], handle: DeepOCR, mode: str
) -> Iterator[tuple[Loaded, DeepOCRResult | None]]:
    """Reads images in chunks; gives them in the given order, with None for one that is broken."""
    from deepocr_jax.deep_ocr import apply_deep_ocr, get_deep_ocr_param

    for chunk in _chunks(paths, get_deep_ocr_param(handle, "image_max_pixels")):
        images = [item.image for item in chunk if not isinstance(item.image, Exception)]
        results = iter(apply_deep_ocr(images, handle, mode) if images else ())
        for item in chunk:
            result = None if isinstance(item.image, Exception) else next(results)
            assert not isinstance(result, str)
            yield item, result


def _chunks(paths: Sequence[str], max_pixels: int) -> Iterator[list[Loaded]]:
    from deepocr_jax.errors import ImageError
    from deepocr_jax.image import read_image

    chunk: list[Loaded] = []
    pixels = 0
    for path in paths:
        try:
            image = read_image(path, max_pixels)
            pixels += image.shape[0] * image.shape[1]
        except ImageError as error:
            image = error
        chunk.append(Loaded(path, image))
        if len(chunk) == CHUNK_IMAGES or pixels >= CHUNK_PIXELS:
            yield chunk
            chunk, pixels = [], 0
    if chunk:
        yield chunk


# --- output -------------------------------------------------------------------------------------


def _progress(count: int) -> contextlib.AbstractContextManager[Any]:
    """A progress bar where someone watches several images; else None."""
    if count < 2 or sys.stderr is None or not sys.stderr.isatty():
        return contextlib.nullcontext()
    from tqdm import tqdm

    return tqdm(total=count, unit="image", file=sys.stderr, dynamic_ncols=True, leave=False)


def _above(bar: Any) -> contextlib.AbstractContextManager[Any]:
    """Takes the bar away while something is printed."""
    return contextlib.nullcontext() if bar is None else bar.external_write_mode()


def _show(loaded: Loaded, result: DeepOCRResult | None, as_json: bool, header: bool) -> None:
    """Prints what was read, or what is wrong with the image."""
    path, image = loaded.path, loaded.image
    if isinstance(image, Exception) or result is None:
        if as_json:
            _print_json({"path": path, "error": str(image)})
        say(image)
    elif as_json:
        _print_json({"path": path, **result_to_json(image, result)})
    else:
        lines = [f"== {path}"] if header else []
        lines += result_to_lines(result)
        if lines:
            print("\n".join(lines), flush=True)


def _print_json(entry: dict[str, Any]) -> None:
    # Escapes keep the line valid JSON where the output cannot hold every character.
    encoding = getattr(sys.stdout, "encoding", None) or ""
    plain = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    print(json.dumps(entry, ensure_ascii=not plain), flush=True)


def result_to_lines(result: DeepOCRResult) -> list[str]:
    """The text of a result in reading order, a line a row; boxes where nothing was read."""
    if "words" not in result:
        return [result.get("word", "")]
    words: Any = result["words"]
    if "word" not in words:
        columns = [[f"{v:.{d}f}" for v in words[k]] for k, d in BOX_DIGITS.items()]
        return ["\t".join(row) for row in zip(*columns, strict=True)]
    lines: dict[int, list[str]] = {}
    for index, word in zip(words["line_index"], words["word"], strict=True):
        lines.setdefault(int(index), []).append(word)
    return [" ".join(line) for line in lines.values()]


def result_to_json(image: np.ndarray, result: DeepOCRResult) -> dict[str, Any]:
    """A result as JSON values; coordinates are in pixels of the image, angles in radians."""
    entry: dict[str, Any] = {"width": image.shape[1], "height": image.shape[0]}
    if "words" in result:
        count = len(result["words"]["row"])
        return {**entry, "words": [_word_to_json(result["words"], i) for i in range(count)]}
    return {
        **entry,
        "word": result.get("word", ""),
        "confidence": round(float(result.get("confidence", 0.0)), 6),
        "char_candidates": _candidates_to_json(result.get("char_candidates", [])),
    }


def _word_to_json(words: Any, index: int) -> dict[str, Any]:
    entry: dict[str, Any] = {k: round(float(words[k][index]), d) for k, d in BOX_DIGITS.items()}
    entry["line_index"] = int(words["line_index"][index])
    if "word" in words:
        entry["word"] = words["word"][index]
        entry["confidence"] = round(float(words["confidence"][index]), 6)
        entry["char_candidates"] = _candidates_to_json(words["char_candidates"][index])
    return entry


def _candidates_to_json(candidates: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "candidate": list(position["candidate"]),
            "confidence": [round(float(value), 6) for value in position["confidence"]],
        }
        for position in candidates
    ]
