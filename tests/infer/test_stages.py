from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deepocr_jax.infer.stages import in_packs, work_ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def failing(count):
    yield from range(count)
    raise ValueError("the source broke")


@pytest.mark.parametrize("ahead", [0, 1, 3, 100])
def test_values_come_in_order(pool, ahead):
    assert list(work_ahead(lambda x: x * x, range(50), pool, ahead)) == [x * x for x in range(50)]


def test_few_items_are_taken_ahead(pool):
    taken = []
    items = (taken.append(i) or i for i in range(1000))
    values = work_ahead(lambda x: x, items, pool, 3)
    assert taken == []
    assert [next(values), next(values)] == [0, 1]
    assert len(taken) <= 2 + 3


def test_several_are_computed_at_once(pool):
    together = threading.Barrier(3, timeout=120)
    assert list(work_ahead(lambda x: together.wait() >= 0, range(3), pool, 2)) == [True] * 3


def test_error_of_the_items_comes_after_their_values(pool):
    values = work_ahead(lambda x: x, failing(5), pool, 2)
    assert [next(values) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="the source broke"):
        next(values)


def test_error_of_the_function_comes_in_its_place(pool):
    values = work_ahead(lambda x: 1 // (x - 2), range(5), pool, 3)
    assert [next(values), next(values)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(values)


def test_what_has_not_begun_is_dropped():
    begun, goes_on = [], threading.Event()

    def work(item):
        begun.append(item)
        return item if item == 0 else goes_on.wait(20)

    with ThreadPoolExecutor(1) as one:
        values = work_ahead(work, range(10), one, 5)
        assert next(values) == 0
        values.close()
        goes_on.set()
    assert begun in ([0], [0, 1])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], []),
        ([1], [[1]]),
        ([1, 1, 1, 1, 1], [[1, 1, 1], [1, 1]]),
        ([10, 1, 9, 1, 1, 1], [[10], [1, 9], [1, 1, 1]]),
    ],
)
def test_packs_end_when_full_or_heavy(weights, expected):
    assert list(in_packs(weights, lambda w: w, 3, 10)) == expected


def test_pack_before_an_error_is_given():
    packs = in_packs(failing(4), lambda w: 1, 3, 100)
    assert [next(packs), next(packs)] == [[0, 1, 2], [3]]
    with pytest.raises(ValueError, match="the source broke"):
        next(packs)
