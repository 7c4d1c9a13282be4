"""Memory that is free, but that the C library keeps."""

import ctypes
import sys
from functools import cache
from typing import Any


def give_back_free_memory() -> None:
    """Gives free memory back to the system, where the C library can do so (glibc).

    Networks need large temporary arrays on several threads, and what outlives them lies between
    them: glibc then keeps whole pages that are free, ever more in the course of hours. This takes
    some hundredths of a second.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """The function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
