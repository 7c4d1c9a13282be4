"""Random numbers that depend on nothing but a seed, the number of a sample, and a purpose."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_MASK = 2**64 - 1


class Stream(IntEnum):
    """Purposes; each has numbers of its own, so a change in one leaves the others as they are."""

    WORD = 0
    LAYOUT = 1
    PAINT = 2


def random_stream(seed: int, index: int, stream: Stream) -> np.random.Generator:
    """The generator of a sample for a purpose.

    Philox is a function of key and counter (Salmon et al., "Parallel random numbers: as easy as
    1, 2, 3", SC 2011), so samples can be made in any order and by any thread or process.
    """
    key = np.array([seed & _MASK, index & _MASK], np.uint64)
    counter = np.array([0, 0, 0, stream], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))
