"""The stream of batches as a tf.data pipeline.

The steps are the only state, so the pipeline starts at any of them, and its batches equal those of
`streams.stream_batches` bit for bit. TensorFlow is kept off the accelerators, which are JAX's.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import numpy as np
import tensorflow as tf

from deepocr_jax.data.streams import check_stream, step_error
from deepocr_jax.types import Batch

with suppress(RuntimeError):  # TensorFlow is at work already, on whatever devices it was given
    tf.config.set_visible_devices([], "GPU")

_TYPES: dict[str, Any] = {
    "image": tf.uint8,
    "width": tf.int32,
    "label": tf.int32,
    "label_length": tf.int32,
    "mask": tf.float32,
    "image_id": tf.int64,
}
_RANKS = {"image": 4, "label": 2}


def tf_batches(
    load: Callable[[int], Batch],
    start: int,
    stop: int | None,
    workers: int = 2,
    ahead: int = 4,
) -> Iterator[Batch]:
    """Batches in the order of their steps, made by a tf.data pipeline ahead of their use.

    Arguments, result and errors are those of `streams.stream_batches`.
    """
    check_stream(start, stop, workers, ahead)
    return _run(load, start, stop, workers, ahead)


def tf_dataset(
    load: Callable[[int], Batch],
    start: int,
    stop: int | None,
    workers: int = 2,
    ahead: int = 4,
) -> tf.data.Dataset:
    """The pipeline itself, for those who go on with it in TensorFlow; elements as in `Batch`.

    Errors of `load` come out as TensorFlow's, with their text.
    """
    check_stream(start, stop, workers, ahead)

    def load_arrays(step: np.ndarray) -> list[np.ndarray]:
        batch = cast(dict[str, np.ndarray], load(int(step)))
        return [batch[key] for key in _TYPES]

    def load_tensors(step: tf.Tensor) -> dict[str, tf.Tensor]:
        tensors = tf.numpy_function(load_arrays, [step], list(_TYPES.values()), stateful=False)
        for key, tensor in zip(_TYPES, tensors, strict=True):
            tensor.set_shape([None] * _RANKS.get(key, 1))
        return dict(zip(_TYPES, tensors, strict=True))

    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max if stop is None else stop)
    batches = steps.map(load_tensors, num_parallel_calls=workers, deterministic=True)
    return batches.prefetch(ahead)


def _run(
    load: Callable[[int], Batch], start: int, stop: int | None, workers: int, ahead: int
) -> Iterator[Batch]:
    errors: dict[int, Exception] = {}

    def load_or_note(step: int) -> Batch:
        try:
            return load(step)
        except Exception as error:
            errors[step] = error
            raise

    iterator = tf_dataset(load_or_note, start, stop, workers, ahead).as_numpy_iterator()
    step = start
    while True:
        try:
            batch = next(iterator, None)
        except tf.errors.OpError as error:
            # The pipeline gives the batches in order, so this is the step whose turn it is.
            cause: Exception = errors[step] if step in errors else cast(Exception, error)
            raise step_error(step, cause) from cause
        if batch is None:
            return
        yield cast(Batch, batch)
        step += 1
