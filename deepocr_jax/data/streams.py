"""Batches as arrays, and a stream of them that threads make ahead of their use."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import numpy as np

from deepocr_jax.data.plans import FILLING, StepPlan
from deepocr_jax.data.word_checks import FRAME_STEP, LINE_HEIGHT, frames_needed
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import Batch, CropSource


def make_batch(
    plan: StepPlan,
    source: CropSource,
    encode: Callable[[str], Sequence[int]],
    rows: slice = slice(None),
) -> Batch:
    """The arrays of one batch.

    Args:
        plan: which samples, and the width of the canvas.
        source: the samples.
        encode: word -> classes (index in the alphabet + 1).
        rows: the part of the rows that this process is to make.

    Returns:
        The batch. A filling row is black, as wide as the canvas (so that dividing by widths does
        no harm), without a label, of mask 0 and image_id -1.

    Raises:
        DatasetError: a word needs more frames than the canvas has.
    """
    indices = plan.indices[rows]
    size, frames = len(indices), plan.width // FRAME_STEP
    batch: Batch = {
        "image": np.zeros((size, LINE_HEIGHT, plan.width, 3), np.uint8),
        "width": np.full(size, plan.width, np.int32),
        "label": np.zeros((size, frames), np.int32),
        "label_length": np.zeros(size, np.int32),
        "mask": (indices != FILLING).astype(np.float32),
        "image_id": np.full(size, -1, np.int64),
    }
    for row in np.flatnonzero(indices != FILLING):
        index = int(indices[row])
        crop, word = source.crop(index), source.word(index)
        label, needed = encode(word), frames_needed(word)
        batch["image_id"][row] = source.ids[index]
        if needed > frames:
            raise DatasetError(
                f"Expected a word that fits into {frames} frames, got {word!r} of "
                f"image_id {source.ids[index]} ({len(label)} characters, {needed - len(label)} of "
                "them doubled) on too narrow an image; drop the sample, as with drop_faulty."
            )
        width = crop.shape[1]
        batch["image"][row, :, :width] = crop
        batch["width"][row] = width
        batch["label"][row, : len(label)] = label
        batch["label_length"][row] = len(label)
    return batch


def stream_batches(
    load: Callable[[int], Batch],
    start: int,
    stop: int | None,
    workers: int = 2,
    ahead: int = 4,
) -> Iterator[Batch]:
    """Batches in the order of their steps, made by threads ahead of their use.

    Args:
        load: step -> batch; a pure function that threads may call side by side.
        start: the first step.
        stop: the step after the last one; None: there is no last one.
        workers: threads that make batches.
        ahead: most batches that are made, or are being made, ahead of the one in use.

    Yields:
        The batches, the same for any number of workers. Closing the iterator ends the threads.

    Raises:
        DatasetError: a batch cannot be made; raised in its place, after the batches before it. It
            names the step, and the reason is its cause.
    """
    check_stream(start, stop, workers, ahead)
    return _stream(load, start, stop, workers, ahead)


def check_stream(start: int, stop: int | None, workers: int, ahead: int) -> None:
    """Raises `DatasetError` for arguments of a stream that are out of range."""
    if start < 0 or (stop is not None and stop < start) or workers < 1 or ahead < 1:
        raise DatasetError(
            "Expected 0 <= start <= stop, and at least 1 for workers and ahead, got "
            f"start={start}, stop={stop}, workers={workers}, ahead={ahead}."
        )


def step_error(step: int, error: Exception) -> DatasetError:
    """The error of a stream for the batch of a step."""
    return DatasetError(
        f"Cannot make the batch of step {step}: {error if str(error) else repr(error)}",
        getattr(error, "faults", ()),
    )


def _stream(
    load: Callable[[int], Batch], start: int, stop: int | None, workers: int, ahead: int
) -> Iterator[Batch]:
    steps = iter(count(start) if stop is None else range(start, stop))
    waiting: deque[tuple[int, Future[Batch]]] = deque()
    pool = ThreadPoolExecutor(workers, "batches")
    try:
        while True:
            while len(waiting) < ahead and (step := next(steps, None)) is not None:
                waiting.append((step, pool.submit(load, step)))
            if not waiting:
                return
            step, future = waiting.popleft()
            try:
                batch = future.result()
            except Exception as error:
                raise step_error(step, error) from error
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
