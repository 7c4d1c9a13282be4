"""What measurements have in common."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "largest": round(max(values), 4),
    }


def milliseconds(function: Callable[[], Any], per: int, rounds: int) -> dict[str, float]:
    """How long a call takes for each of `per` images, after one that does not count."""
    function()
    values = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        values.append(1e3 * (time.perf_counter() - start) / per)
    return spread(values)
