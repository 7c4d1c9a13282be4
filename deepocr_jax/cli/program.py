"""The command line: `deepocr read`, `draw`, `prelabel`, `label`, `warmup`, `sample`.

What takes long to import is imported inside the commands, so help and wrong calls answer at once.
Exit status: 0 done, 1 an image could not be read or the output not be written, 2 wrong call,
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from deepocr_jax.cli.console import CommandError, open_handle, plain_messages, say
from deepocr_jax.cli.export import FORMAT_NAMES
from deepocr_jax.cli.label import add_label
from deepocr_jax.cli.prelabel import add_prelabel
from deepocr_jax.cli.read import run_read

MODES = ("auto", "detection", "recognition")
SAMPLE = ("assets", "sample.png")
SIGINT_STATUS, SIGPIPE_STATUS = 128 + 2, 128 + 13


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status.

    Args:
        argv: The arguments without the program's name; those of the process unless given.
    """
    # What a terminal's encoding lacks is escaped rather than ending the run half-way.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with plain_messages():
            args = make_parser().parse_args(argv)
            status = args.run(args)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
    except CommandError as error:
        say(error)
        return 2
    except KeyboardInterrupt:
        return SIGINT_STATUS
    except BrokenPipeError:  # The reader of our output has seen enough, as `head` does.
        _drop_output()
        return SIGPIPE_STATUS
    except OSError as error:
        _drop_output()
        say(f"cannot write the output: {error}")
        return 1


def run() -> NoReturn:
    """Runs the command line as this process, and ends it with its exit status.

    At once: Python would free modules and compiled programs one by one, half a second for a page.
    What is written is closed or flushed before.
    """
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def _drop_output() -> None:
    """Sends what is left in the buffer nowhere, so that the end of Python does not fail on it."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, AttributeError):  # not a stream of the system
        pass


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="deepocr",
        description="Finds and reads text in images.",
        epilog="deepocr COMMAND --help describes a command.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_read(commands)
    _add_draw(commands)
    add_prelabel(commands)
    add_label(commands)
    warmup = commands.add_parser(
        "warmup",
        help="compile everything ahead",
        description="Compiles every shape that images can need and keeps the programs in the "
        "cache, so that later runs with the same settings compile nothing.",
    )
    _add_mode(warmup)
    _add_set(warmup)
    warmup.set_defaults(run=_run_warmup)
    sample = commands.add_parser(
        "sample",
        help="print the path of the sample image",
        description="Prints the path of the sample image inside the installed package.",
    )
    sample.set_defaults(run=_run_sample)
    return parser


def _add_read(commands: Any) -> None:
    read = commands.add_parser(
        "read",
        help="print the text of images",
        description="Prints the text of images in reading order, one text line a row.",
        epilog="Exit status: 0 all read, 1 some images could not be read, 2 wrong call.",
    )
    read.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="an image, a PDF file, a folder (with all images below it), or a glob",
    )
    read.add_argument(
        "--json", action="store_true", help="print one JSON object an image, with boxes"
    )
    read.add_argument(
        "--output",
        metavar="FILE",
        help="add JSON lines to a file; images that it tells of already are not read again; with "
        "--format the file to write, or a folder for one file an image",
    )
    read.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        help="write files for other programs: text in reading order or with its layout, JSON, "
        "TSV, hOCR, ALTO, PAGE XML, or a searchable PDF",
    )
    read.add_argument(
        "--dpi",
        type=float,
        metavar="N",
        help="pixels an inch that the pages of PDF files are read at, and that written PDF files "
        "have (default: 300, or what an image states)",
    )
    _add_mode(read)
    _add_set(read)
    read.set_defaults(run=run_read)


def _add_draw(commands: Any) -> None:
    draw = commands.add_parser(
        "draw",
        help="draw what was found onto an image",
        description="Writes a picture of the image with boxes and words; the orange edge of a box "
        "is where its reading starts.",
    )
    draw.add_argument("image", metavar="IMAGE")
    draw.add_argument("--out", metavar="PNG", required=True, help="the picture to write (.png)")
    _add_set(draw)
    draw.set_defaults(run=_run_draw)


def _add_mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="auto: find and read words (default); detection: only find them; "
        "recognition: each image is the crop of one word",
    )


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a parameter, such as recognition_alphabet=digits; may be repeated",
    )


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from deepocr_jax import __version__

        print(f"deepocr {__version__}")
        parser.exit()


def _run_sample(_: argparse.Namespace) -> int:
    from importlib.resources import files

    print(files("deepocr_jax").joinpath(*SAMPLE))
    return 0


def _run_warmup(args: argparse.Namespace) -> int:
    handle = open_handle(args.mode, args.set)
    from deepocr_jax.reader.deep_ocr import warm_up_deep_ocr
    from deepocr_jax.weights.model_cache import model_cache_dir

    say("compiling every shape; the first time takes minutes")
    start = time.monotonic()
    count = warm_up_deep_ocr(handle)
    seconds = time.monotonic() - start
    print(f"{count} programs ready in {seconds:.1f} s; the cache is {model_cache_dir()}")
    return 0


def _run_draw(args: argparse.Namespace) -> int:
    _check_out(args.image, args.out)
    handle = open_handle("auto", args.set)
    from PIL import Image

    from deepocr_jax.display.draw import draw_result
    from deepocr_jax.errors import ImageError
    from deepocr_jax.image import read_image
    from deepocr_jax.reader.deep_ocr import apply_deep_ocr, get_deep_ocr_param

    try:
        image = read_image(args.image, get_deep_ocr_param(handle, "image_max_pixels"))
    except ImageError as error:
        say(error)
        return 1
    result = apply_deep_ocr(image, handle)
    assert isinstance(result, dict)
    Image.fromarray(draw_result(image, result)).save(args.out, format="PNG")
    return 0


def _check_out(image: str, out: str) -> None:
    """Raises for a place that a picture cannot or should not be written to."""
    if not os.path.isfile(image):
        raise CommandError(f"no such file: {image}")
    if not out.lower().endswith(".png"):
        raise CommandError(f"--out: expected a name that ends in .png, got {out}")
    folder = os.path.dirname(out) or "."
    if not os.path.isdir(folder):
        raise CommandError(f"--out: there is no folder {folder}; create it first")
    if os.path.isdir(out):
        raise CommandError(f"--out: {out} is a folder; give the name of a file in it")
    if os.path.exists(out) and os.path.samefile(image, out):
        raise CommandError(f"--out: {out} is the image itself; choose another name")
