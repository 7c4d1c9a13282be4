"""Memory of the process: freed blocks are kept, not given back to the system after each image."""

from __future__ import annotations

import ctypes
import os
import sys

# Names and numbers of glibc's malloc.h, and the values. The detector's temporary arrays take 80 MB
# a page, which a thread's own arena cannot hold; from the system they come page by page, 19,000
# faults and a sixth of the detector's time on two cores.
SETTINGS = (
    ("MALLOC_ARENA_MAX", -8, 1),
    ("MALLOC_MMAP_THRESHOLD_", -3, 256 << 20),
    ("MALLOC_TRIM_THRESHOLD_", -1, 512 << 20),
)


def keep_memory() -> bool:
    """Lets glibc keep up to half a gigabyte of freed memory; elsewhere nothing changes.

    To be called before JAX starts its threads. What the environment says of `SETTINGS` stands.

    Returns:
        Whether all was set.
    """
    if sys.platform != "linux" or any(name in os.environ for name, _, _ in SETTINGS):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Older releases refuse the second; the third without it would do harm.
    return mallopt is not None and all(mallopt(number, value) for _, number, value in SETTINGS)
