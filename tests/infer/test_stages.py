from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deepocr_jax.infer.stages import Ahead, NotYetError, in_packs, work_ahead


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


def test_a_value_is_given_before_the_next_item_comes(pool):
    comes = threading.Event()

    def items():
        yield 1
        comes.wait(120)
        yield 2

    values = Ahead(lambda x: x, items(), pool, 3)
    assert next(values) == 1
    with pytest.raises(NotYetError):
        values.get(0.01)
    comes.set()
    assert list(values) == [2]


def test_who_waits_is_told_of_the_end():
    comes, found = threading.Event(), []

    def items():
        comes.wait(120)
        yield 1

    with ThreadPoolExecutor(1) as one:
        values = Ahead(lambda x: x, items(), one, 0)
        waiting = threading.Thread(target=lambda: found.extend(values))
        waiting.start()
        values.close()
        waiting.join(120)
        assert not waiting.is_alive() and found == []
        comes.set()


def test_errors_are_raised_again(pool):
    values = Ahead(lambda x: x, failing(1), pool, 1)
    assert next(values) == 0
    for _ in range(2):
        with pytest.raises(ValueError, match="the source broke"):
            next(values)


def packs_of(pool, items, most=3, limit=10, is_awaited=lambda: False, wait_s=0.0):
    values = Ahead(lambda x: x, items, pool, 2)
    return in_packs(values, lambda weight: weight, most, limit, wait_s, is_awaited)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([], []),
        ([1], [[1]]),
        ([1, 1, 1, 1, 1], [[1, 1, 1], [1, 1]]),
        ([10, 1, 9, 1, 1, 1], [[10], [1, 9], [1, 1, 1]]),
    ],
)
def test_packs_end_when_full_or_heavy(pool, weights, expected):
    assert list(packs_of(pool, weights)) == expected


def test_pack_before_an_error_is_given(pool):
    packs = packs_of(pool, failing(4), limit=100)
    assert [next(packs), next(packs)] == [[0, 1, 2], [3]]
    with pytest.raises(ValueError, match="the source broke"):
        next(packs)


def test_a_pack_that_is_awaited_does_not_wait_for_what_is_long_in_coming(pool):
    comes = threading.Event()

    def items():
        yield from (1, 2)
        comes.wait(120)
        yield from (3, 4)

    packs = packs_of(pool, items(), most=16, is_awaited=lambda: True, wait_s=0.1)
    assert next(packs) == [1, 2]
    comes.set()
    assert list(packs) == [[3, 4]]


def test_a_pack_that_nobody_awaits_goes_on_waiting(pool):
    asked = []

    def is_awaited():
        asked.append(None)
        if len(asked) == 3:
            comes.set()
        return False

    comes = threading.Event()

    def items():
        yield 1
        comes.wait(120)
        yield 2

    assert list(packs_of(pool, items(), most=16, is_awaited=is_awaited)) == [[1, 2]]
    assert len(asked) >= 3
