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
    steps = [plan.plan(epoch * plan.steps_per_epoch + i) for i in range(plan.steps_per_epoch)]
    indices = np.concatenate([s.main for s in steps])
    assert sorted(indices[indices != FILLING]) == list(range(len(widths)))
    assert sum(FILLING in s.main for s in steps) <= 1
    for step in steps:
        assert len(step.main) == rows and len(step.rehearsal) == 0
        widest = max(widths[i] for i in step.main if i != FILLING)
        assert step.width == min(b for b in BUCKETS if b >= widest)


@given(WIDTHS, WIDTHS, st.integers(1, 4), st.integers(1, 4), st.randoms())
def test_a_pure_function_of_the_step(widths, others, main, rehearsal, random):
    def make():
        rows = main + rehearsal
        return BatchPlan(np.array(widths), rows, 5, np.array(others), rehearsal)

    steps = list(range(12))
    in_order = {s: make().plan(s) for s in steps}
    random.shuffle(steps)
    plan = make()
    for step in steps:
        got = plan.plan(step)
        assert got.width == in_order[step].width
        assert (got.main == in_order[step].main).all()
        assert (got.rehearsal == in_order[step].rehearsal).all()


def test_rehearsal_has_epochs_of_its_own():
    plan = BatchPlan(np.full(4, 50), 4, 0, np.full(10, 300), 2)
    assert plan.steps_per_epoch == 2
    drawn = np.concatenate([plan.plan(s).rehearsal for s in range(5)])
    assert sorted(drawn) == list(range(10))
    assert {plan.plan(s).width for s in range(5)} == {320}


def test_orders_differ_by_epoch_and_seed():
    def order(seed, epoch):
        plan = BatchPlan(np.full(50, 100), 50, seed)
        return tuple(plan.plan(epoch).main)

    assert len({order(0, 0), order(0, 1), order(1, 0), order(0, 2)}) == 4
    assert order(3, 1) == order(3, 1)


def test_the_order_is_that_of_all_versions():
    plan = BatchPlan(np.arange(8, 16) * 20, 3, 42)
    # Another order would let an interrupted training go on with other batches than before.
    assert [plan.plan(s).main.tolist() for s in range(3)] == GOLDEN


def test_batches_of_widths_come_mixed():
    plan = BatchPlan(np.repeat([100, 300, 600, 1200], 64), 8)
    widths = [plan.plan(s).width for s in range(plan.steps_per_epoch)]
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
        ((np.array([30]), 0), "batch_size larger"),
        ((np.array([30]), 4, 0, np.array([30]), 4), "batch_size larger"),
        ((np.array([30]), 4, 0, None, 2), "without rehearsal"),
        ((np.array([30]), 4, 0, np.array([30]), 0), "with rehearsal"),
        ((np.array([30]), 4, -1), "seed"),
    ],
)
def test_what_does_not_go_together(arguments, words):
    with pytest.raises(DatasetError, match=words):
        BatchPlan(*arguments)


def test_steps_before_the_first():
    with pytest.raises(DatasetError, match="at least 0"):
        BatchPlan(np.array([30]), 1).plan(-1)


GOLDEN = [[4, 5, -1], [2, 7, 6], [0, 1, 3]]
