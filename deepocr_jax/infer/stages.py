"""Stages that overlap: each works a little ahead of the next one, and keeps the order."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# How often a pack that may go looks whether it should.
_LOOK_S = 0.02


class NotYetError(Exception):
    """No value has come within the time that one may wait."""


class Ahead(Generic[T, R], Iterator[R]):
    """`map` whose next values are computed in a pool while one is being used.

    A thread of its own takes the items, so that an item that is long in coming holds up none before
    it. It takes at most `ahead` + 1 items that have not been given back, so memory is bounded
    however many there are. Where the items end in an error, the values of those before it come
    first; from then on, or from an error of the function on, every call raises it.
    """

    def __init__(
        self, function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        """Takes nothing before the first value is asked for.

        Args:
            function: What is computed of an item.
            items: They may be endless, and may wait for what is to come.
            pool: Where it is computed.
            ahead: So many further values.
        """
        self._function, self._items, self._pool = function, items, pool
        self._room = threading.Semaphore(ahead + 1)
        self._queue: queue.SimpleQueue[Future[R] | None] = queue.SimpleQueue()
        self._next: Future[R] | None = None
        self._error: BaseException = StopIteration()
        self._feeder: threading.Thread | None = None
        self._is_given = self._has_ended = self._is_closed = False

    def __next__(self) -> R:
        return self.get()

    def get(self, seconds: float | None = None) -> R:
        """The next value.

        Args:
            seconds: How long one may wait for it; None: as long as it takes.

        Raises:
            NotYetError: It takes longer; the next call goes on waiting for it.
            StopIteration: There are no more.
        """
        if self._feeder is None:
            self._feeder = threading.Thread(target=self._feed, daemon=True, name="deepocr-ahead")
            self._feeder.start()
        if self._is_given:
            self._is_given = False
            self._room.release()
        if self._has_ended:
            raise self._error
        if self._next is None:
            self._next = self._from_queue(seconds)
        if self._next is None:
            self._has_ended = True
            raise self._error
        try:
            value = self._next.result(seconds)
        except NotDone:
            if not self._next.done():
                raise NotYetError from None
            raise
        except Exception as error:
            self._error, self._has_ended = error, True
            raise
        self._next, self._is_given = None, True
        return value

    def close(self) -> None:
        """Drops what has not begun; who waits for a value is told that there are no more."""
        self._is_closed = True
        self._room.release()
        if self._next is not None:
            self._next.cancel()
        while not self._queue.empty():
            future = self._queue.get()
            if future is not None:
                future.cancel()
        self._queue.put(None)

    def _from_queue(self, seconds: float | None) -> "Future[R] | None":
        try:
            return self._queue.get(timeout=seconds)
        except queue.Empty:
            raise NotYetError from None

    def _feed(self) -> None:
        try:
            items = iter(self._items)
            while self._room.acquire() and not self._is_closed:
                item = next(items)
                if self._is_closed:
                    break
                self._queue.put(self._pool.submit(self._function, item))
        except BaseException as error:  # Of the items, their end included; raised by `get`.
            self._error = error
        self._queue.put(None)


def work_ahead(
    function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[R]:
    """The values of `Ahead`; what has not begun is dropped when the iteration is given up."""
    values = Ahead(function, items, pool, ahead)
    try:
        yield from values
    finally:
        values.close()


def in_packs(
    values: Ahead[T, R],
    weight: Callable[[R], int],
    most: int,
    limit: int,
    wait_s: float,
    is_awaited: Callable[[], bool],
) -> Iterator[list[R]]:
    """Lists of neighbouring values, as many as come in time.

    Args:
        values: What is packed.
        weight: Of a value.
        most: Values of a pack.
        limit: A pack ends once it weighs so much.
        wait_s: So long a pack waits for more values after its first one, and longer only while
            nobody would do anything with it.
        is_awaited: Whether somebody would.
    """
    while True:
        try:
            pack = [values.get()]
        except StopIteration:
            return
        total, end = weight(pack[0]), time.monotonic() + wait_s
        while len(pack) < most and total < limit:
            try:
                pack.append(values.get(_LOOK_S))
            except NotYetError:
                if time.monotonic() >= end and is_awaited():
                    break
            except Exception:  # Their end, or an error, which the next call raises again.
                break
            else:
                total += weight(pack[-1])
        yield pack
