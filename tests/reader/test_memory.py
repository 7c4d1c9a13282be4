from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from deepocr_jax.reader.memory import give_back_free_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps and gives back")
def test_free_memory_between_what_is_used_is_given_back():
    # Too small to be mapped one by one, and what stays lies between what goes.
    blocks = [np.ones(2**13, np.uint8) for _ in range(2**14)]
    kept = blocks[::64]
    del blocks
    before = resident_bytes()
    give_back_free_memory()
    assert resident_bytes() < before - 2**26
    assert all(x.all() for x in kept)


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
