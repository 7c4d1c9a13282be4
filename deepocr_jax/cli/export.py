"""The output of `deepocr read --format`: files for other programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from deepocr_jax.cli.console import CommandError, above, open_handle, progress, say
from deepocr_jax.cli.images import source_name

if TYPE_CHECKING:
    from deepocr_jax.export.pages import ExportPage

FORMAT_NAMES = ("txt", "layout", "json", "tsv", "hocr", "alto", "page", "pdf")


def run_export(args: argparse.Namespace, sources: list[Any]) -> int:
    """Reads images and writes them in the format asked for; 0 if all could be read, else 1.

    Raises:
        CommandError: The output cannot be of this kind, or the handle cannot be made.
    """
    from deepocr_jax.errors import DeepOCRError
    from deepocr_jax.export.results import is_folder

    _check(args)
    try:
        if args.output is not None and is_folder(args.output):
            return _export_each(args, sources)
        return _export_together(args, sources)
    except DeepOCRError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        if args.output is None:
            raise
        raise CommandError(f"--output: cannot write {args.output}: {error}") from error


def _check(args: argparse.Namespace) -> None:
    if args.json:
        raise CommandError("--json and --format exclude each other; leave one of them out")
    if args.format == "pdf":
        if args.output is None:
            raise CommandError("--format pdf needs --output FILE or --output FOLDER/")
        if args.mode == "detection":
            raise CommandError("--format pdf needs text; leave out --mode detection")
    if args.dpi is not None and not args.dpi > 0:
        raise CommandError(f"--dpi: expected a positive number, got {args.dpi}")


def _export_each(args: argparse.Namespace, sources: list[Any]) -> int:
    """A file for each image in a folder; those that are there already are not read again."""
    from deepocr_jax.export.results import file_in_folder, write_file

    os.makedirs(args.output, exist_ok=True)
    files: dict[str, Any] = {}
    for source in sources:
        file = file_in_folder(args.output, source_name(source), args.format)
        if file in files:
            raise CommandError(
                f"--output: {source_name(files[file])} and {source_name(source)} would both be "
                f"written to {file}; export them into different folders"
            )
        files[file] = source
    left = {file: source for file, source in files.items() if not os.path.exists(file)}
    if len(left) < len(files):
        say(f"{args.output} has {len(files) - len(left)} of {len(files)} images already")
    pages = _Pages(args, list(left.values()))
    for page in pages:
        file = file_in_folder(args.output, page.name, args.format)
        write_file(file, [page], args.format, args.dpi)
    return 1 if pages.failed else 0


def _export_together(args: argparse.Namespace, sources: list[Any]) -> int:
    """One file for all images, or the standard output."""
    from deepocr_jax.errors import ParameterValueError
    from deepocr_jax.export.formats import export_format, write_pages
    from deepocr_jax.export.results import write_file

    if len(sources) > 1 and not export_format(args.format).many_pages:
        raise CommandError(
            f"a file of the format {args.format} holds one page, but there are {len(sources)} "
            "images; give a folder: --output FOLDER/"
        )
    pages = _Pages(args, sources)
    try:
        if args.output is None:
            write_pages(pages, sys.stdout.buffer, args.format, args.dpi)
        else:
            write_file(args.output, pages, args.format, args.dpi)
    except ParameterValueError:
        # Images that cannot be read, which was said, leave some formats without their one page.
        if pages.failed < len(sources):
            raise
    return 1 if pages.failed else 0


class _Pages:
    """The pages of images as they are read; counts the images that cannot be read and says why."""

    def __init__(self, args: argparse.Namespace, sources: list[Any]) -> None:
        self.args, self.sources, self.failed = args, sources, 0

    def __iter__(self) -> Iterator[ExportPage]:
        if not self.sources:
            return
        handle = open_handle(self.args.mode, self.args.set)
        from deepocr_jax.export.pages import result_to_page
        from deepocr_jax.reader.streaming import read_stream

        with progress(len(self.sources), self.args.output is not None) as bar:
            for outcome in read_stream(self.sources, handle, self.args.mode):
                if outcome.result is None:
                    self.failed += 1
                    with above(bar):
                        say(outcome.error)
                else:
                    name = source_name(outcome.source)
                    size = outcome.image_size
                    yield result_to_page(outcome.result, size, name, outcome.source)
                if bar is not None:
                    bar.update()
