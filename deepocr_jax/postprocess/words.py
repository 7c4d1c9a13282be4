"""A line's reading -> its words, each with a span fitted to its ink.

A line is cut at the spaces that were read, and where the picture shows a gap that only a space
explains. A cut lies in the widest gap of ink near the place that the CTC frames give; a word's
span is the extent of the ink between two cuts, or, where no ink is found, what the frames say.
"""

from dataclasses import dataclass

import numpy as np

from deepocr_jax.postprocess.ink import Ink, column_gaps, find_ink

# A space read within this distance of two words' border, in heights, is the one between them.
NEAR_SPACE = 0.6


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
class WordSpan:
    """A word of a line: which characters, and where in the crop.

    Attributes:
        characters: Indices into the reading's text.
        start, end, top, bottom: Edges in crop pixels.
    """

    characters: tuple[int, ...]
    start: float
    end: float
    top: float
    bottom: float


def cut_words(
    crop: np.ndarray,
    text: tuple[str, ...],
    centres: np.ndarray,
    space_margins: np.ndarray,
    params: WordParams,
) -> list[WordSpan]:
    """Cuts a read line into words.

    Args:
        crop: [h, w, 3] uint8, the upright line.
        text: The characters read, spaces included.
        centres: [n] column of each character's frames, in crop pixels.
        space_margins: [n] for each character the largest logit of a space between it and the
            next one, less the best class's.
        params: Thresholds.

    Returns:
        The words from left to right.
    """
    ink = find_ink(crop, params.margin)
    gaps = column_gaps(ink) if ink is not None else (np.zeros(0, int), np.zeros(0, int))
    groups, cuts = _split(text, centres, space_margins, gaps, crop.shape, params)
    spans = []
    for characters, (begin, end) in zip(groups, cuts, strict=True):
        span = _ink_span(ink, begin, end, params.pad * crop.shape[0]) if ink is not None else None
        if span is None:
            span = _frame_span(centres[list(characters)], begin, end, crop.shape[0], params.margin)
        spans.append(WordSpan(characters, *span))
    return spans


def fit_words(
    crop: np.ndarray,
    text: tuple[str, ...],
    centres: np.ndarray,
    edges: np.ndarray,
    params: WordParams,
) -> list[WordSpan]:
    """Gives the characters of a line to words whose places are known.

    Args:
        crop: [h, w, 3] uint8, the upright line.
        text: The characters read, spaces included.
        centres: [n] column of each character's frames, in crop pixels.
        edges: [m, 2] where each word starts and ends, in crop pixels, from left to right.
        params: Thresholds.

    Returns:
        The words that got characters, from left to right.
    """
    cuts = (edges[:-1, 1] + edges[1:, 0]) / 2
    spaces = centres[[i for i, c in enumerate(text) if c.isspace()]]
    for k, cut in enumerate(cuts):
        # Frames are coarse: a space that was read tells better which characters it divides.
        near = spaces[np.abs(spaces - cut) < NEAR_SPACE * crop.shape[0]]
        if len(near):
            cuts[k] = near[np.abs(near - cut).argmin()]
    owners = np.searchsorted(cuts, centres)
    ink = find_ink(crop, params.margin)
    pad = params.pad * crop.shape[0]
    spans = []
    for word, (start, end) in enumerate(edges):
        mine = tuple(i for i, c in enumerate(text) if owners[i] == word and not c.isspace())
        if not mine:
            continue
        span = _ink_span(ink, start - pad, end + pad, pad) if ink is not None else None
        rows = (params.margin * crop.shape[0], (1 - params.margin) * crop.shape[0])
        spans.append(WordSpan(mine, *(span or (float(start), float(end), *rows))))
    return spans


Gaps = tuple[np.ndarray, np.ndarray]


def _split(
    text: tuple[str, ...],
    centres: np.ndarray,
    space_margins: np.ndarray,
    gaps: Gaps,
    shape: tuple[int, ...],
    params: WordParams,
) -> tuple[list[tuple[int, ...]], list[tuple[float, float]]]:
    """Groups of characters, and the columns between which each group lies."""
    solid = [i for i, c in enumerate(text) if not c.isspace()]
    if not solid:
        return [], []
    height, width = shape[:2]
    groups, edges = [[solid[0]]], [0.0]
    inner = _between(gaps, centres[solid])
    typical = np.median(inner[0][inner[0] > 0]) if (inner[0] > 0).any() else 0.0
    for k in range(1, len(solid)):
        before, after = solid[k - 1], solid[k]
        spaced = after - before > 1
        gap = inner[0][k - 1]
        wide = gap >= max(params.min_gap * height, params.gap_ratio * typical)
        nearly = gap >= params.spaced_gap * height
        nearly &= space_margins[before] >= params.spaced_margin
        if spaced or wide or nearly:
            middle = inner[1][k - 1]
            if not inner[0][k - 1]:
                middle = (centres[before] + centres[after]) / 2
            groups.append([])
            edges.append(float(middle))
        groups[-1].append(after)
    stops = [*edges[1:], float(width)]
    return [tuple(g) for g in groups], list(zip(edges, stops, strict=True))


def _between(gaps: Gaps, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For neighbouring characters the widest gap between their centres: widths and middles."""
    start, stop = gaps
    count = max(0, len(centres) - 1)
    if not count or not len(start):
        return np.zeros(count), np.zeros(count)
    low = np.maximum(start, centres[:-1, None])
    clipped = np.minimum(stop, centres[1:, None]) - low
    best = clipped.argmax(axis=1)
    found = clipped[np.arange(count), best] > 0
    # The gap itself may reach past a centre, since frames are coarse.
    widths, middles = stop[best] - start[best], (start[best] + stop[best]) / 2
    return np.where(found, widths, 0.0), np.where(found, middles, 0.0)


def _ink_span(
    ink: Ink, begin: float, end: float, pad: float
) -> tuple[float, float, float, float] | None:
    """Extent of the parts whose middle lies between two columns."""
    middle = (ink.left + ink.right) / 2
    mine = (middle >= begin) & (middle < end)
    if not mine.any():
        return None
    start = max(float(ink.left[mine].min()), begin - 1)
    stop = min(float(ink.right[mine].max()), end + 1)
    top, bottom = float(ink.top[mine].min()), float(ink.bottom[mine].max())
    if bottom - top < 0.08 * ink.labels.shape[0] or stop <= start:
        return None
    return start - pad, stop + pad, top - pad, bottom + pad


def _frame_span(
    centres: np.ndarray, begin: float, end: float, height: int, margin: float
) -> tuple[float, float, float, float]:
    """Extent of a word from its frames alone."""
    half = 0.25 * height
    if len(centres) > 1:
        half = min(half, float(np.diff(centres).mean()) * 0.6)
    start, stop = centres[0] - half, centres[-1] + half
    return max(begin, start), min(end, stop), margin * height, (1 - margin) * height
