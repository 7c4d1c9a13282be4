"""CTC decoding: best classes of the frames -> runs, one a character."""

from dataclasses import dataclass

import numpy as np

BLANK = 0


@dataclass(frozen=True)
class Runs:
    """The characters of one crop, as runs of equal best classes over its frames.

    Attributes:
        start: [n] first frame of each run.
        stop: [n] frame after the last one.
        label: [n] class of each run.
    """

    start: np.ndarray
    stop: np.ndarray
    label: np.ndarray


def find_runs(best: np.ndarray) -> Runs:
    """Collapses repeats and drops blanks (Graves et al., 2006): [t] classes -> runs."""
    if best.size == 0:
        empty = np.zeros(0, np.intp)
        return Runs(empty, empty, empty)
    edges = np.flatnonzero(np.diff(best)) + 1
    start = np.concatenate([[0], edges])
    stop = np.concatenate([edges, [best.size]])
    label = best[start]
    kept = label != BLANK
    return Runs(start[kept], stop[kept], label[kept])


def first_maxima(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Where the first largest value of each run is: values [n], lengths [m] > 0 -> [m]."""
    if not len(lengths):
        return np.zeros(0, np.intp)
    start = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    largest = np.maximum.reduceat(values, start)
    places = np.flatnonzero(values == np.repeat(largest, lengths))
    return places[np.searchsorted(places, start)]
