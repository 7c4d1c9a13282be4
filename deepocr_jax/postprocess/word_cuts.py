"""Where lines that were read are cut into words, all lines of a page at once.

A line is cut at the spaces that were read, and where the picture shows a gap that only a space
explains. A cut lies in the widest gap of ink near the place that the CTC frames give.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepocr_jax.text.ctc import first_maxima

# Columns of several lines in one order: more than a line's crop and its frames have.
LINE_STEP = 2**24


@dataclass(frozen=True)
class WordParams:
    """How lines are cut and spans fitted; lengths in units of the crop's height.

    Attributes:
        min_gap: Gap without ink that separates words although no space was read.
        gap_ratio: That gap must also be so many times the line's median gap.
        spaced_gap: Gap that separates words where the recognizer nearly read a space.
        spaced_margin: How near: the space's logit less the best one's.
        pad: Added around the ink on all sides.
        margin: Share of the crop above and below the line's core; what stays in it is a remain of
            a neighbouring line.
    """

    margin: float = 0.18
    min_gap: float = 0.8
    gap_ratio: float = 3.0
    spaced_gap: float = 0.15
    spaced_margin: float = -2.5
    pad: float = 0.08


@dataclass(frozen=True)
class ReadLine:
    """What is known of a line that was read.

    Attributes:
        crop: [h, w, 3] uint8, the upright line.
        text: The characters read, spaces included.
        centres: [n] column of each character's frames, in crop pixels, growing.
        space_margins: [n] for each character the largest logit of a space between it and the
            next one, less the best class's.
    """

    crop: np.ndarray
    text: tuple[str, ...]
    centres: np.ndarray
    space_margins: np.ndarray


# Of runs of columns without ink: their lines, starts and stops.
Gaps = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class CutWords:
    """Words of lines in order: line, characters, and the columns that each lies between."""

    line: np.ndarray
    characters: list[tuple[int, ...]]
    begin: np.ndarray
    end: np.ndarray


def split_lines_at_gaps(lines: Sequence[ReadLine], gaps: Gaps, params: WordParams) -> CutWords:
    """The words of lines: a line is cut where a space was read, or the picture shows one.

    Args:
        lines: Any number; each is cut as if it were alone.
        gaps: Their runs of columns without ink, see `column_gaps`.
        params: Thresholds.
    """
    solid = [[i for i, c in enumerate(x.text) if not c.isspace()] for x in lines]
    counts = np.array([len(x) for x in solid])
    line = np.repeat(np.arange(len(lines)), counts)
    index = np.fromiter(itertools.chain.from_iterable(solid), np.intp, counts.sum())
    read = [x.centres[i] for x, i in zip(lines, solid, strict=True)]
    margins = [x.space_margins[i] for x, i in zip(lines, solid, strict=True)]
    centres = np.concatenate([np.zeros(0), *read])
    size = np.array([x.crop.shape[:2] for x in lines], np.float64).reshape(-1, 2)

    after = np.flatnonzero(line[1:] == line[:-1]) + 1
    before = after - 1
    width, middle = _widest_gaps(gaps, line[after], centres[before], centres[after])
    typical = _typical(width, line[after], len(lines))
    heights = size[line[after], 0]
    cut = index[after] - index[before] > 1
    cut |= width >= np.maximum(params.min_gap * heights, params.gap_ratio * typical[line[after]])
    nearly = np.concatenate([np.zeros(0), *margins])[before] >= params.spaced_margin
    cut |= (width >= params.spaced_gap * heights) & nearly
    middle = np.where(width > 0, middle, (centres[before] + centres[after]) / 2)

    begins = np.zeros(len(line))
    begins[after] = middle
    first = np.ones(len(line), bool)
    first[after] = cut
    starts = np.flatnonzero(first)
    of_word, begin = line[starts], begins[starts]
    last = np.append(of_word[1:] != of_word[:-1], True)[: len(starts)]
    end = np.where(last, size[of_word, 1], np.append(begin[1:], 0)[: len(starts)])
    groups = np.split(index, starts[1:]) if len(starts) else []
    return CutWords(of_word, [tuple(x.tolist()) for x in groups], begin, end)


def _widest_gaps(
    gaps: Gaps, line: np.ndarray, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The widest gap between columns [n] of lines [n]: widths and middles, 0 where is none."""
    of_gap, start, stop = gaps
    low = np.searchsorted(of_gap * LINE_STEP + stop, line * LINE_STEP + left, side="right")
    high = np.searchsorted(of_gap * LINE_STEP + start, line * LINE_STEP + right, side="left")
    counts = np.maximum(high - low, 0)
    found = np.flatnonzero(counts)
    counts = counts[found]
    pair = np.repeat(found, counts)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    gap = low[pair] + within
    clipped = np.minimum(stop[gap], right[pair]) - np.maximum(start[gap], left[pair])
    best = gap[first_maxima(clipped, counts)]
    widths, middles = np.zeros(len(line)), np.zeros(len(line))
    # The gap itself may reach past a character's centre, since frames are coarse.
    widths[found], middles[found] = stop[best] - start[best], (start[best] + stop[best]) / 2
    return widths, middles


def _typical(width: np.ndarray, line: np.ndarray, lines: int) -> np.ndarray:
    """The median of each line's widths that are not 0; 0 where a line has none."""
    there = width > 0
    width, line = width[there], line[there]
    width = width[np.lexsort((width, line))]
    counts = np.bincount(line, minlength=lines)
    begin = np.cumsum(counts) - counts
    some = counts > 0
    low, high = (begin + (counts - 1) // 2)[some], (begin + counts // 2)[some]
    median = np.zeros(lines)
    median[some] = (width[low] + width[high]) / 2
    return median
