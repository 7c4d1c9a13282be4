import threading
import time

import numpy as np
import pytest

from deepocr_jax.data.plans import BatchPlan, StepPlan
from deepocr_jax.data.sources import ArraySource
from deepocr_jax.data.streams import make_batch, stream_batches
from deepocr_jax.errors import DatasetError


def make_source(widths, first_id=0):
    crops = [np.full((48, w, 3), i + 1, np.uint8) for i, w in enumerate(widths)]
    words = ["abcdefgh"[: i % 8 + 1] for i in range(len(widths))]
    return ArraySource(crops, words, range(first_id, first_id + len(widths)))


def encode(word):
    return [ord(c) - ord("a") + 1 for c in word]


def make_load(seed=0):
    source = make_source([30, 100, 200, 350, 60, 90, 500])
    plan = BatchPlan(source.widths, 5, seed)
    return lambda step: make_batch(plan.plan(step), source, encode)


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        np.testing.assert_array_equal(a[key], b[key])


def test_rows_of_a_batch():
    step = StepPlan(160, np.array([1, 0, 2, -1, -1, -1]))
    batch = make_batch(step, make_source([30, 100, 90], 100), encode)
    assert batch["mask"].tolist() == [1, 1, 1, 0, 0, 0]
    assert batch["image_id"].tolist() == [101, 100, 102, -1, -1, -1]
    assert batch["width"].tolist() == [100, 30, 90, 160, 160, 160]
    assert batch["image"].shape == (6, 48, 160, 3) and not batch["image"][3:].any()
    assert (batch["image"][0, :, :100] == 2).all() and not batch["image"][0, :, 100:].any()
    assert batch["label"].shape == (6, 20)
    assert batch["label"][0].tolist() == [1, 2] + [0] * 18
    assert batch["label_length"].tolist() == [2, 1, 3, 0, 0, 0]
    dtypes = {key: str(value.dtype) for key, value in batch.items()}
    assert dtypes == {
        "image": "uint8",
        "width": "int32",
        "label": "int32",
        "label_length": "int32",
        "mask": "float32",
        "image_id": "int64",
    }


def test_processes_share_the_rows():
    source = make_source([30, 100, 50, 60, 90])
    step = StepPlan(160, np.array([1, 0, 3, 2, 4, -1]))
    whole = make_batch(step, source, encode)
    parts = [make_batch(step, source, encode, slice(i, i + 3)) for i in (0, 3)]
    # Each makes the whole canvas, though its own rows may be narrower.
    assert [p["image"].shape for p in parts] == [(3, 48, 160, 3)] * 2
    for key in whole:
        np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])


@pytest.mark.parametrize(("word", "fits"), [("a" * 10, True), ("a" * 11, False)])
def test_words_that_need_more_frames(word, fits):
    source = ArraySource([np.zeros((48, 50, 3), np.uint8)], [word], [7])
    step = StepPlan(160, np.array([0]))
    if fits:
        assert make_batch(step, source, encode)["label_length"][0] == len(word)
    else:
        with pytest.raises(DatasetError, match="image_id 7"):
            make_batch(step, source, encode)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same(workers):
    load = make_load()
    got = list(stream_batches(load, 3, 11, workers, ahead=workers + 1))
    assert len(got) == 8
    for step, batch in enumerate(got, 3):
        assert_equal(batch, load(step))


def test_order_though_some_steps_are_slow():
    def load(step):
        time.sleep(0.02 if step % 3 == 0 else 0)
        return step

    assert list(stream_batches(load, 0, 12, 4, 6)) == list(range(12))


def test_errors_come_in_their_place():
    def load(step):
        if step == 4:
            raise ValueError("no such thing")
        return step

    stream = stream_batches(load, 2, 9)
    assert [next(stream), next(stream)] == [2, 3]
    with pytest.raises(DatasetError, match="step 4: no such thing") as caught:
        next(stream)
    assert isinstance(caught.value.__cause__, ValueError)
    assert next(stream, None) is None


def test_closing_ends_the_threads():
    before = threading.active_count()
    made = []
    stream = stream_batches(lambda step: made.append(step) or step, 0, None, 2, 5)
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before
    assert len(made) <= 6


def test_nothing_is_made_far_ahead():
    made = []
    stream = stream_batches(lambda step: made.append(step) or step, 0, 100, 2, 3)
    next(stream)
    time.sleep(0.05)
    assert len(made) <= 3
    stream.close()


@pytest.mark.parametrize("arguments", [(-1, 4), (5, 4), (0, 4, 0), (0, 4, 1, 0)])
def test_arguments_out_of_range(arguments):
    with pytest.raises(DatasetError, match="start <= stop"):
        stream_batches(make_load(), *arguments)
