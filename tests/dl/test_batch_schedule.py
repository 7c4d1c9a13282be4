"""Which rows make up which part of which step: a sample once an epoch, whatever the options."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import jax
import numpy as np
import pytest

from deepocr_jax.data.plans import FILLING
from deepocr_jax.data.sources import ArraySource
from deepocr_jax.dl.batch_schedule import BatchOptions, make_encoder, make_schedule
from deepocr_jax.errors import DatasetError, MissingPackageError, ParameterValueError

ENCODE = make_encoder(tuple("0123456789"))
OPTIONS = BatchOptions(batch_size=8, rehearsal_share=0.25, image_width=640)


def make_source(count, first_id, widths):
    crops = [np.full((48, widths[i % len(widths)], 3), i + 1, np.uint8) for i in range(count)]
    return ArraySource(crops, [str(i) for i in range(count)], range(first_id, first_id + count))


@pytest.fixture(scope="module")
def dataset():
    return make_source(31, 0, (60, 150, 200))


@pytest.fixture(scope="module")
def rehearsal():
    return make_source(11, 1000, (300, 400))


def ids(schedule, role, steps):
    """The image ids of a role's rows in some steps, without filling."""
    count = len(schedule.parts)
    parts = [schedule.load(n) for s in steps for n in range(count * s, count * (s + 1))]
    chosen = [b for b, r in zip(parts, schedule.parts * len(steps), strict=True) if r == role]
    return [int(i) for batch in chosen for i in batch["image_id"][batch["mask"] > 0]]


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype
        np.testing.assert_array_equal(actual[name], value)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_each_sample_once_an_epoch(dataset, rehearsal, multiplier, share):
    options = replace(OPTIONS, batch_size_multiplier=multiplier, rehearsal_share=share)
    schedule = make_schedule(dataset, rehearsal if share else None, ENCODE, options)
    per_epoch = schedule.steps_per_epoch
    assert per_epoch == -(-31 // ((8 - 8 * share) * multiplier))
    orders = []
    for epoch in range(3):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        orders.append(tuple(ids(schedule, "dataset", steps)))
        assert sorted(orders[-1]) == list(range(31))
    assert len(set(orders)) == 3


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_the_multiplier_takes_the_same_batches_in_larger_steps(dataset, multiplier):
    options = replace(OPTIONS, rehearsal_share=0.0)
    one = make_schedule(dataset, None, ENCODE, options)
    several = make_schedule(
        dataset, None, ENCODE, replace(options, batch_size_multiplier=multiplier)
    )
    assert several.parts == ("dataset",) * multiplier
    batches = one.steps_per_epoch
    padded = several.steps_per_epoch * multiplier
    for epoch in range(2):
        for place in range(padded):
            _, plan = several.plan(epoch * padded + place)
            if place < batches:
                _, expected = one.plan(epoch * batches + place)
                assert plan.width == expected.width
                np.testing.assert_array_equal(plan.indices, expected.indices)
            else:  # The last step of an epoch is filled up.
                assert plan.width == 160 and (plan.indices == FILLING).all()


@pytest.mark.parametrize("multiplier", [1, 2])
def test_rehearsal_comes_from_its_own_plan_and_canvas(dataset, rehearsal, multiplier):
    options = replace(OPTIONS, batch_size_multiplier=multiplier)
    schedule = make_schedule(dataset, rehearsal, ENCODE, options)
    assert schedule.parts == ("dataset", "rehearsal") * multiplier
    widths = {"dataset": set(), "rehearsal": set()}
    for number in range(12 * len(schedule.parts)):
        role, plan = schedule.plan(number)
        assert role == schedule.parts[number % len(schedule.parts)]
        widths[role].add(plan.width)
        batch = schedule.load(number)
        assert batch["image"].shape[:3] == ({"dataset": 6, "rehearsal": 2}[role], 48, plan.width)
    assert widths == {"dataset": {160, 224}, "rehearsal": {320, 448}}
    # Eleven crops, two at once: an epoch of its own every six batches, across the dataset's.
    steps = 12 // multiplier
    drawn = ids(schedule, "rehearsal", range(steps))
    assert sorted(drawn) == sorted([*range(1000, 1011)] * 2)
    assert drawn[:11] != drawn[11:]


def test_every_step_of_an_epoch_is_rehearsed(dataset, rehearsal):
    """Also the last one, whose parts of the dataset may be filling."""
    options = replace(OPTIONS, batch_size_multiplier=4)
    schedule = make_schedule(dataset, rehearsal, ENCODE, options)
    for step in range(schedule.steps_per_epoch):
        assert len(ids(schedule, "rehearsal", [step])) >= 7


@pytest.mark.parametrize("processes", [2, 1])
def test_processes_share_each_part(dataset, rehearsal, monkeypatch, processes):
    schedule = make_schedule(dataset, rehearsal, ENCODE, OPTIONS)
    whole = [schedule.load(n) for n in range(10)]
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(jax, "process_index", lambda rank=rank: rank)
        shares.append([schedule.load(n) for n in range(10)])
    for number, expected in enumerate(whole):
        parts = [share[number] for share in shares]
        assert len({len(part["mask"]) for part in parts}) == 1
        joined = {name: np.concatenate([part[name] for part in parts]) for name in expected}
        assert_equal(joined, expected)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_stream_gives_what_load_gives(dataset, rehearsal, workers):
    options = replace(OPTIONS, batch_size_multiplier=2, workers=workers)
    schedule = make_schedule(dataset, rehearsal, ENCODE, options)
    streamed = list(schedule.stream(2, 5, options))
    assert len(streamed) == 3 * 4
    for number, batch in enumerate(streamed, 2 * 4):
        assert_equal(batch, schedule.load(number))


def test_tf_data_gives_what_the_threads_give(dataset, rehearsal):
    pytest.importorskip("tensorflow")
    options = replace(OPTIONS, batch_size_multiplier=2, pipeline="tf.data")
    schedule = make_schedule(dataset, rehearsal, ENCODE, options)
    threads = schedule.stream(1, 4, replace(options, pipeline="threads"))
    for ours, theirs in zip(schedule.stream(1, 4, options), threads, strict=True):
        assert_equal(ours, theirs)


def test_tf_data_without_tensorflow_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"deepocr_jax\[tensorflow\]"):
        replace(OPTIONS, pipeline="tf.data")


def test_the_seed_decides_on_the_order(dataset, rehearsal):
    def orders(seed):
        schedule = make_schedule(dataset, rehearsal, ENCODE, replace(OPTIONS, seed=seed))
        return [ids(schedule, role, range(5)) for role in ("dataset", "rehearsal")]

    assert orders(1) == orders(1)
    for first, second in zip(orders(1), orders(2), strict=True):
        assert first != second


def test_a_word_outside_the_alphabet_is_named(dataset):
    assert ENCODE("907") == [10, 1, 8] and ENCODE("") == []
    with pytest.raises(ParameterValueError, match="'12x'.*'x'.*drop"):
        ENCODE("12x")
    schedule = make_schedule(dataset, None, make_encoder(("1",)), OPTIONS)
    with pytest.raises(DatasetError, match="step 0: .*does not know"):
        list(schedule.stream(0, 5, OPTIONS))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"batch_size_multiplier": 1.5}, "batch_size_multiplier"),
        ({"workers": 0}, "workers"),
        ({"image_width": -1}, "image_width"),
        ({"pipeline": "grain"}, "pipeline.*'grain'"),
        ({"rehearsal_share": 1.0}, "rehearsal_share"),
        ({"rehearsal_share": -0.1}, "rehearsal_share"),
    ],
)
def test_options_out_of_range(options, words):
    with pytest.raises(ParameterValueError, match=words):
        BatchOptions(**options)


def test_rows_that_do_not_go_together(dataset, rehearsal, monkeypatch):
    with pytest.raises(ParameterValueError, match="none of 2 rows"):
        make_schedule(
            dataset, rehearsal, ENCODE, replace(OPTIONS, batch_size=2, rehearsal_share=0.9)
        )
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    with pytest.raises(ParameterValueError, match="6 rows of the dataset.*4 processes"):
        make_schedule(dataset, rehearsal, ENCODE, OPTIONS)
    with pytest.raises(ParameterValueError, match="2 rows of the rehearsal.*4 processes"):
        make_schedule(
            dataset, rehearsal, ENCODE, replace(OPTIONS, batch_size=10, rehearsal_share=0.2)
        )
