"""Stages that overlap: each works a little ahead of the next one, and keeps the order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def work_ahead(
    function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[R]:
    """`map` that computes up to `ahead` further values in a pool while one is being used.

    At most `ahead` + 1 items are taken that have not been given back, so memory is bounded
    however many there are. What has not begun is dropped when the iteration is given up. Where the
    items end in an error, the values of those before it come first.
    """
    pending: deque[Future[R]] = deque()
    source = _Ending(items)
    try:
        for item in source:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
    source.check()


def in_packs(
    items: Iterable[T], weight: Callable[[T], int], most: int, limit: int
) -> Iterator[list[T]]:
    """Lists of up to `most` neighbouring items; one ends early once it weighs `limit`."""
    pack: list[T] = []
    total = 0
    source = _Ending(items)
    for item in source:
        pack.append(item)
        total += weight(item)
        if len(pack) == most or total >= limit:
            yield pack
            pack, total = [], 0
    if pack:
        yield pack
    source.check()


class _Ending(Iterator[T]):
    """Items that end at an error, which is raised when asked for."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._error: Exception | None = None

    def __next__(self) -> T:
        try:
            return next(self._items)
        except StopIteration:
            raise
        except Exception as error:
            self._error = error
            raise StopIteration from None

    def check(self) -> None:
        """Raises what the items ended in, unless it was their end."""
        if self._error is not None:
            raise self._error
