"""The command `deepocr read`: images in, text, JSON lines or exports out."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from deepocr_jax.cli.console import CommandError, above, open_handle, progress, say
from deepocr_jax.cli.export import run_export
from deepocr_jax.cli.images import find_images, image_sources, source_name

if TYPE_CHECKING:
    from deepocr_jax.reader.streaming import StreamResult
    from deepocr_jax.types import DeepOCRResult

BOX_DIGITS = {"row": 3, "col": 3, "phi": 6, "length1": 3, "length2": 3}


def run_read(args: argparse.Namespace) -> int:
    """Reads images and prints what they say; 0 if all could be read, else 1.

    Raises:
        CommandError: A path matches nothing, the handle cannot be made, or the output file is none
            of ours.
    """
    sources = image_sources(find_images(args.paths), args.dpi)
    if args.format is not None:
        return run_export(args, sources)
    paths = [source_name(source) for source in sources]
    done = done_paths(args.output) if args.output else {}
    left = [source for source in sources if source_name(source) not in done]
    failed = sum(done[path] for path in paths if path in done)
    if len(left) < len(paths):
        say(f"{args.output} has {len(paths) - len(left)} of {len(paths)} images already")
    if not left:
        return 1 if failed else 0
    handle = open_handle(args.mode, args.set)
    from deepocr_jax.reader.streaming import read_stream

    with _output(args.output) as out, progress(len(left), args.output is not None) as bar:
        for outcome in read_stream(left, handle, args.mode):
            failed += outcome.error is not None
            with above(bar):
                _show(outcome, out, args.json or args.output is not None, header=len(paths) > 1)
            if bar is not None:
                bar.update()
    if failed and len(paths) > 1:
        say(f"{failed} of {len(paths)} images could not be read")
    return 1 if failed else 0


def done_paths(output: str) -> dict[str, bool]:
    """The images that an output file tells of already, and whether they could not be read.

    The last line of a run that was cut off is dropped from the file if it is not whole.

    Raises:
        CommandError: The file is not the output of `deepocr read --output`.
    """
    if not os.path.exists(output):
        return {}
    done: dict[str, bool] = {}
    with open(output, "r+b") as file:
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                entry = json.loads(line)
                done[entry["path"]] = "error" in entry
            except (ValueError, TypeError, KeyError):
                raise CommandError(
                    f"--output: line {number} of {output} is not of `deepocr read`; "
                    "choose another file"
                ) from None
        file.truncate(whole)
    return done


# --- output -------------------------------------------------------------------------------------


def _output(path: str | None) -> contextlib.AbstractContextManager[TextIO]:
    """Where the lines go: a file that is added to, or the standard output."""
    if path is None:
        return contextlib.nullcontext(sys.stdout)
    try:
        return open(path, "a", encoding="utf-8", newline="\n")
    except OSError as error:
        raise CommandError(f"--output: cannot write {path}: {error}") from error


def _show(outcome: StreamResult, out: TextIO, as_json: bool, header: bool) -> None:
    """Prints what was read, or what is wrong with the image."""
    path = source_name(outcome.source)
    if outcome.result is None:
        if as_json:
            _print_json({"path": path, "error": str(outcome.error)}, out)
        say(outcome.error)
    elif as_json:
        _print_json({"path": path, **result_to_json(outcome.image_size, outcome.result)}, out)
    else:
        lines = [f"== {path}"] if header else []
        lines += result_to_lines(outcome.result)
        if lines:
            print("\n".join(lines), file=out, flush=True)


def _print_json(entry: dict[str, Any], out: TextIO) -> None:
    # Escapes keep the line valid JSON where the output cannot hold every character.
    encoding = getattr(out, "encoding", None) or ""
    plain = encoding.lower().replace("-", "").replace("_", "") == "utf8"
    print(json.dumps(entry, ensure_ascii=not plain), file=out, flush=True)


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


def result_to_json(image_size: tuple[int, int], result: DeepOCRResult) -> dict[str, Any]:
    """A result as JSON values; coordinates are in pixels of the image, angles in radians."""
    entry: dict[str, Any] = {"width": image_size[1], "height": image_size[0]}
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
