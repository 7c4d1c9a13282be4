"""Those who watch a training: a progress bar, TensorBoard, and a request to stop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import jax
from tqdm import tqdm

from deepocr_jax.train.run import History, StepReport, Watcher

TENSORBOARD_DIR = "tensorboard"
VALIDATION_FIGURES = (
    *("accuracy", "accuracy_36", "character_error_rate"),
    *("precision", "recall", "f_score"),
)


@contextmanager
def usual_watchers(workdir: Path | None, display: bool) -> Iterator[Watcher]:
    """Those of a run: a request to stop, and in the first process TensorBoard and a bar.

    Args:
        workdir: Of the run; None: it writes nothing and ends only at its end.
        display: Whether there is a bar.
    """
    first = jax.process_index() == 0
    with ExitStack() as stack:
        watchers: list[Watcher] = []
        if workdir is not None:
            watchers.append(stack.enter_context(stop_on_sigterm()))
        if workdir is not None and first:
            watchers.append(stack.enter_context(tensorboard(workdir / TENSORBOARD_DIR)))
        if display and first:
            watchers.append(stack.enter_context(progress_bar()))
        yield combine(*watchers)


def combine(*watchers: Watcher) -> Watcher:
    """Several watchers as one."""

    def on_step(report: StepReport) -> None:
        for watcher in watchers:
            watcher.on_step(report)

    def on_epoch(history: History, epoch: int) -> None:
        for watcher in watchers:
            watcher.on_epoch(history, epoch)

    return Watcher(on_step, on_epoch, lambda: any(w.should_stop() for w in watchers))


@contextmanager
def progress_bar() -> Iterator[Watcher]:
    """A bar with loss, rate and time left on stderr."""
    with tqdm(unit="step", desc="training", smoothing=0.05, dynamic_ncols=True) as bar:

        def on_step(report: StepReport) -> None:
            if bar.total is None:
                bar.total = report.total_steps
                bar.initial = bar.n = report.step
            loss = f"{report.metrics['total_loss']:.3f}"
            bar.set_postfix(loss=loss, rows=f"{report.rows_per_s:.0f}/s")
            bar.update(report.step + 1 - bar.n)

        def on_epoch(history: History, epoch: int) -> None:
            bar.set_description(f"epoch {epoch}")

        yield Watcher(on_step, on_epoch)


@contextmanager
def tensorboard(folder: Path) -> Iterator[Watcher]:
    """Scalars for TensorBoard: losses and rates by step, figures of evaluations by epoch.

    Raises:
        ModuleNotFoundError: The package tensorboard is missing (it needs no TensorFlow).
    """
    # TensorBoard writes through TensorFlow where that is installed, which greets at length.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tensorboard.summary import Writer

    writer = Writer(str(folder))

    def on_step(report: StepReport) -> None:
        for name, value in (report.metrics | report.hyper).items():
            writer.add_scalar(f"train/{name}", value, report.step)
        writer.add_scalar("train/rows_per_s", report.rows_per_s, report.step)

    def on_epoch(history: History, epoch: int) -> None:
        writer.add_scalar("epoch/mean_loss", history.epochs[-1]["mean_loss"], epoch)
        figures = history.evaluations[-1] if history.evaluations else {}
        for name in VALIDATION_FIGURES:
            if figures.get("epoch") == epoch and figures.get(name) is not None:
                writer.add_scalar(f"validation/{name}", figures[name], epoch)

    try:
        yield Watcher(on_step, on_epoch)
    finally:
        writer.close()


@contextmanager
def stop_on_sigterm() -> Iterator[Watcher]:
    """Asks the run to save its state and end when the process is told to terminate.

    Only the main thread may handle signals; elsewhere nothing is asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Watcher()
        return
    told = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        told.set()

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield Watcher(should_stop=told.is_set)
    finally:
        signal.signal(signal.SIGTERM, before)
