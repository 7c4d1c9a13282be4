"""The command `deepocr prelabel`: images in, a dataset to be corrected by a person out."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepocr_jax.cli.console import CommandError, above, open_handle, progress, say
from deepocr_jax.cli.images import PDF_SUFFIX, draw_pdf_pages, find_images
from deepocr_jax.cli.label import DATASET_FILE

if TYPE_CHECKING:
    from deepocr_jax.labelling.journal import Journal

FORM_NAMES = ("images", "crops")
# Pages of PDF files are drawn beside them; the others are what this command and `label` write.
NOT_LABELLED = (PDF_SUFFIX, ".json", ".jsonl")

# A person looks through the words, so lines count that a reader alone would leave out.
DOUBTFUL_TOO = ("recognition_min_confidence=0.3",)


def add_prelabel(commands: Any) -> None:
    """Adds the command to a parser's commands."""
    prelabel = commands.add_parser(
        "prelabel",
        help="make a dataset of what is read in a folder of images",
        description="Reads the images of a folder and writes what they say as a dataset, which "
        "deepocr label shows for correction and which training takes. Pages of PDF files become "
        "images beside them. Run again, it goes on where it was cut off, and adds images that are "
        "new.",
    )
    prelabel.add_argument("folder", metavar="FOLDER", help="the folder of the images")
    prelabel.add_argument(
        "--out", metavar="FILE", help=f"the dataset's file (default: {DATASET_FILE} in the folder)"
    )
    prelabel.add_argument(
        "--form",
        choices=FORM_NAMES,
        default="images",
        help="images: whole images, words in rotated boxes (default); crops: each image is the "
        "crop of one word",
    )
    prelabel.add_argument(
        "--min-confidence",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out words read with less confidence (0 to 1, default: 0)",
    )
    prelabel.add_argument(
        "--dpi",
        type=float,
        metavar="N",
        help="pixels an inch that pages of PDF files are drawn with (default: 300)",
    )
    prelabel.add_argument(
        "--overwrite",
        action="store_true",
        help="read the images of a dataset again where nobody has corrected anything",
    )
    prelabel.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a parameter of the reader; may be repeated",
    )
    prelabel.set_defaults(run=run_prelabel)


def run_prelabel(args: argparse.Namespace) -> int:
    """Makes or completes a dataset; 0 if all images could be read, else 1.

    Raises:
        CommandError: No images, a file that is no such dataset, or one that is being labelled.
    """
    if not os.path.isdir(args.folder):
        raise CommandError(f"expected a folder of images, got {args.folder}")
    if not 0 <= args.min_confidence <= 1:
        raise CommandError(f"--min-confidence: expected 0 to 1, got {args.min_confidence}")
    file = Path(os.path.abspath(args.out or os.path.join(args.folder, DATASET_FILE)))
    if not file.parent.is_dir():
        raise CommandError(f"--out: there is no folder {file.parent}; create it first")
    from deepocr_jax.errors import DatasetError
    from deepocr_jax.labelling.dataset_store import journal_path
    from deepocr_jax.labelling.journal import Journal

    try:
        with (
            contextlib.closing(Journal(journal_path(file))) as labels,
            contextlib.closing(Journal(file.with_name(f".{file.name}.prelabel"))) as done,
        ):
            if not labels.empty:
                raise CommandError(
                    f"{labels.path} holds corrections that {file} lacks; start deepocr label "
                    "for it once, which brings them in"
                )
            return _prelabel(args, file, done)
    except DatasetError as error:
        raise CommandError(str(error)) from error


def _prelabel(args: argparse.Namespace, file: Path, done: Journal) -> int:
    from deepocr_jax.data.dataset_files import read_dl_dataset, write_dl_dataset
    from deepocr_jax.labelling.prelabels import empty_dataset, is_by_hand, numbered
    from deepocr_jax.labelling.sample_lists import all_samples, with_samples

    image_dir = os.path.abspath(args.folder)
    dataset: Any = empty_dataset(image_dir, args.form)
    if file.exists():
        dataset = read_dl_dataset(file)
        _check_same(dataset, image_dir, args, file)
    before = all_samples(dataset)
    failed = draw_pdf_pages(args.folder, args.dpi) if args.form == "images" else 0
    kept = [sample for sample in before if not args.overwrite or is_by_hand(sample)]
    found = find_images([args.folder], NOT_LABELLED)
    paths = {Path(path).relative_to(args.folder).as_posix(): path for path in found}
    for sample in kept:
        paths.pop(sample["image_file_name"], None)
    if kept:
        say(f"{file} keeps {len(kept)} images; {len(paths)} are left to read")
    if not paths and len(kept) == len(before):
        return 1 if failed else 0
    inside = {name: path for name, path in paths.items() if not _leaves(args.folder, name)}
    samples, unread = _read(args, inside, done)
    failed += unread + len(paths) - len(inside)
    if kept or samples:
        write_dl_dataset(with_samples(dataset, numbered(kept, samples, before)), file)
        place = args.out or args.folder
        say(f"{len(samples)} images read; to correct the words: deepocr label {place}")
    done.clear()
    return 1 if failed else 0


def _leaves(folder: str, name: str) -> bool:
    """Whether an image lies elsewhere, which is said: no dataset may name it."""
    from deepocr_jax.data.image_checks import path_problem

    problem = path_problem(folder, name)
    if problem is not None:
        say(f"left out: {problem[1]}")
    return problem is not None


def _check_same(dataset: Any, image_dir: str, args: argparse.Namespace, file: Path) -> None:
    """Raises where a dataset is not of this folder and form."""
    if os.path.realpath(dataset.get("image_dir", "")) != os.path.realpath(image_dir):
        raise CommandError(
            f"{file} is a dataset of {dataset.get('image_dir')}; choose another --out"
        )
    form = "crops" if any("word" in sample for sample in dataset["samples"]) else "images"
    if form != args.form:
        raise CommandError(f"{file} is a dataset of {form}; choose --form {form} or another --out")


def _read(
    args: argparse.Namespace, paths: dict[str, str], done: Journal
) -> tuple[list[dict[str, Any]], int]:
    """Samples of the images, and how many images could not be read.

    Each sample goes into the journal, so that a run that was cut off can go on.
    """
    recipe = [args.form, args.min_confidence, args.set]
    if not done.empty and done.entries[0] != recipe:
        raise CommandError(
            f"{done.path} is of a run with other options; run that again, or remove the file"
        )
    if done.empty:
        done.append(recipe)
    samples = {s["image_file_name"]: s for s in done.entries[1:] if s["image_file_name"] in paths}
    left = {path: name for name, path in paths.items() if name not in samples}
    if samples:
        say(f"going on: {len(samples)} of {len(paths)} images were read already")
    failed = 0
    if left:
        from deepocr_jax.labelling.prelabels import result_to_sample
        from deepocr_jax.reader.streaming import read_stream

        mode = "auto" if args.form == "images" else "recognition"
        handle = open_handle(mode, [*DOUBTFUL_TOO, *args.set])
        with progress(len(left), True) as bar:
            for outcome in read_stream(list(left), handle, mode):
                if outcome.result is None:
                    failed += 1
                    with above(bar):
                        say(outcome.error)
                else:
                    name = left[outcome.source]
                    sample = result_to_sample(outcome.result, name, args.form, args.min_confidence)
                    done.append(sample)
                    samples[name] = sample
                if bar is not None:
                    bar.update()
    return list(samples.values()), failed
