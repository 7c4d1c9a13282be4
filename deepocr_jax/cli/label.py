"""The command `deepocr label`: a page in the browser to correct the words of a dataset."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
from typing import Any

from deepocr_jax.cli.console import CommandError, say

DATASET_FILE = "dl_dataset.json"
DEFAULT_PORT = 8377


def add_label(commands: Any) -> None:
    """Adds the command to a parser's commands."""
    label = commands.add_parser(
        "label",
        help="correct the words of a dataset in the browser",
        description="Serves a page to this machine's browser, where a person goes through the "
        "words of a dataset, doubtful ones first, and corrects texts and boxes. Ends with Ctrl+C.",
    )
    label.add_argument(
        "dataset",
        metavar="FOLDER",
        help=f"the folder of {DATASET_FILE}, which deepocr prelabel writes, or the file itself",
    )
    label.add_argument(
        "--port",
        type=int,
        metavar="N",
        help=f"port of the page (default: {DEFAULT_PORT}, or a free one where that is taken)",
    )
    label.add_argument("--no-browser", action="store_true", help="only print the page's address")
    label.set_defaults(run=run_label)


def run_label(args: argparse.Namespace) -> int:
    """Serves the label page until it is interrupted; 1 if the file could not be written then.

    Raises:
        CommandError: There is no dataset that can be labelled, or the port is taken.
    """
    file = dataset_file(args.dataset)
    from deepocr_jax.errors import DatasetError
    from deepocr_jax.labelling.dataset_store import DatasetStore

    try:
        store = DatasetStore(file)
    except DatasetError as error:
        raise CommandError(str(error)) from error
    try:
        with contextlib.closing(store):
            _serve(store, args.port, not args.no_browser)
    except DatasetError as error:
        say(f"{error} The next deepocr label brings back what was changed.")
        return 1
    return 0


def dataset_file(path: str) -> str:
    """The dataset's file of a folder, or the file itself.

    Raises:
        CommandError: There is none.
    """
    file = os.path.join(path, DATASET_FILE) if os.path.isdir(path) else path
    if not os.path.isfile(file):
        raise CommandError(f"there is no {file}; deepocr prelabel FOLDER writes one")
    return file


def _serve(store: Any, port: int | None, open_page: bool) -> None:
    import threading
    import webbrowser

    from deepocr_jax.labelling.server import LabelServer

    try:
        server = LabelServer(store, DEFAULT_PORT if port is None else port)
    except (OSError, OverflowError) as error:
        if port is not None:
            raise CommandError(f"--port: cannot use {port}: {error}; choose another") from error
        server = LabelServer(store)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    print(f"{server.address}\nPress Ctrl+C to end.", flush=True)
    with server:
        if open_page:
            # A browser of the terminal would keep the call until it is left.
            threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("writing the dataset")
