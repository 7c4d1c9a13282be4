import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.data.plans import BUCKETS, FILLING, BatchPlan
from deepocr_jax.errors import DatasetError

WIDTHS = st.lists(st.integers(8, 2048), min_size=1, max_size=60)


@given(WIDTHS, st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**63 - 1))
def test_each_sample_once_an_epoch(widths, rows, epoch, seed):
    plan = BatchPlan(np.array(widths), rows, seed)
    count = plan.batches_per_epoch
    steps = [plan.plan(epoch * count + i) for i in range(count)]
    indices = np.concatenate([s.indices for s in steps])
    assert sorted(indices[indices != FILLING]) == list(range(len(widths)))
    assert sum(FILLING in s.indices for s in steps) <= 1
    for step in steps:
        assert len(step.indices) == rows
        widest = max(widths[i] for i in step.indices if i != FILLING)
        assert step.width == min(b for b in BUCKETS if b >= widest)


@given(WIDTHS, st.integers(1, 4), st.integers(0, 1), st.randoms())
def test_a_pure_function_of_the_number(widths, rows, stream, random):
    def make():
        return BatchPlan(np.array(widths), rows, 5, stream=stream)

    steps = list(range(12))
    in_order = {s: make().plan(s) for s in steps}
    random.shuffle(steps)
    plan = make()
    for step in steps:
        got = plan.plan(step)
        assert got.width == in_order[step].width
        assert (got.indices == in_order[step].indices).all()


def test_a_batch_of_filling_rows_only():
    width, indices = BatchPlan(np.full(4, 300), 3).filling()
    assert width == BUCKETS[0] and indices.tolist() == [FILLING] * 3
    assert BatchPlan(np.full(4, 90), 3, image_width=100).filling().width == 100


def test_orders_differ_by_epoch_and_seed():
    def order(seed, epoch, stream=0):
        plan = BatchPlan(np.full(50, 100), 50, seed, stream=stream)
        return tuple(plan.plan(epoch).indices)

    assert len({order(0, 0), order(0, 1), order(1, 0), order(0, 2)}) == 4
    # Plans side by side have no order in common, in no epoch.
    orders = {order(7, epoch, stream) for epoch in range(20) for stream in (0, 1)}
    assert len(orders) == 40
    assert order(3, 1) == order(3, 1)


def test_the_order_is_that_of_all_versions():
    plan = BatchPlan(np.arange(8, 16) * 20, 3, 42)
    # Another order would let an interrupted training go on with other batches than before.
    assert [plan.plan(s).indices.tolist() for s in range(3)] == GOLDEN


def test_batches_of_widths_come_mixed():
    plan = BatchPlan(np.repeat([100, 300, 600, 1200], 64), 8)
    widths = [plan.plan(s).width for s in range(plan.batches_per_epoch)]
    assert widths != sorted(widths)
    assert sorted(widths) == sorted([160] * 8 + [320] * 8 + [640] * 8 + [1280] * 8)


def test_buckets_are_cut_at_the_image_width():
    assert BatchPlan(np.array([300]), 1, image_width=400).buckets == (160, 224, 320, 400)
    assert BatchPlan(np.array([300]), 1, image_width=400).plan(0).width == 320
    assert BatchPlan(np.array([330]), 1, image_width=400).plan(0).width == 400


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros(0, int), 4), "at least one crop"),
        ((np.array([3000]), 4), "1 to 2048 px"),
        ((np.array([[30]]), 4), "at least one crop"),
        ((np.array([0]), 4), "1 to 2048 px"),
        ((np.array([500]), 4, 0, 400), "1 to 400 px"),
        ((np.array([30]), 0), "rows of at least 1"),
        ((np.array([30]), 4, 0, 400, BUCKETS, 2), "stream of 0 or 1"),
        ((np.array([30]), 4, -1), "seed"),
        ((np.array([30]), 4, 2**63), "seed"),
    ],
)
def test_what_does_not_go_together(arguments, words):
    with pytest.raises(DatasetError, match=words):
        BatchPlan(*arguments)


def test_steps_before_the_first():
    with pytest.raises(DatasetError, match="at least 0"):
        BatchPlan(np.array([30]), 1).plan(-1)


GOLDEN = [[4, 5, -1], [2, 7, 6], [0, 1, 3]]
