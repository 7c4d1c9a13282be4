"""A line's reading -> its words, each with a span fitted to its ink.

Lines are cut as `word_cuts` says; a word's span is the extent of the ink between two cuts, or,
where no ink is found, what the frames say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepocr_jax.postprocess.ink import Ink, LineParts, column_gaps, find_ink, find_parts
from deepocr_jax.postprocess.word_cuts import (
    LINE_STEP,
    CutWords,
    ReadLine,
    WordParams,
    split_lines_at_gaps,
)

# Lines are worked on together, but not more than this, so that memory is bounded.
LINES_AT_ONCE = 128
# A space read within this distance of two words' border, in heights, is the one between them.
NEAR_SPACE = 0.6


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


def cut_words(lines: Sequence[ReadLine], params: WordParams) -> list[list[WordSpan]]:
    """Cuts read lines into words.

    Args:
        lines: Any number; each is cut as if it were alone.
        params: Thresholds.

    Returns:
        The words of each line from left to right.
    """
    spans = []
    for first in range(0, len(lines), LINES_AT_ONCE):
        spans += _cut_block(lines[first : first + LINES_AT_ONCE], params)
    return spans


def _cut_block(lines: Sequence[ReadLine], params: WordParams) -> list[list[WordSpan]]:
    parts = find_parts([x.crop for x in lines], params.margin)
    heights, widths = np.array([x.crop.shape[:2] for x in lines]).T
    words = split_lines_at_gaps(lines, column_gaps(parts, widths), params)
    edges = _ink_edges(parts, words, heights, params)
    spans: list[list[WordSpan]] = [[] for _ in lines]
    each = zip(words.line, words.characters, words.begin, words.end, edges, strict=True)
    for number, characters, begin, end, of_ink in each:
        line = lines[number]
        if of_ink is None:
            height = line.crop.shape[0]
            centres = line.centres[list(characters)]
            of_ink = _frame_span(centres, begin, end, height, params.margin)
        spans[number].append(WordSpan(characters, *of_ink))
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


def _ink_edges(
    parts: LineParts, words: CutWords, heights: np.ndarray, params: WordParams
) -> list[tuple[float, float, float, float] | None]:
    """Extent of the parts whose middle lies between a word's columns; None where too little is."""
    edges: list[tuple[float, float, float, float] | None] = [None] * len(words.line)
    middle = (parts.left + parts.right) / 2
    begin = words.line * LINE_STEP + words.begin
    owner = np.searchsorted(begin, parts.line * LINE_STEP + middle, side="right") - 1
    order = np.argsort(owner, kind="stable")
    # Lines in which nothing was read may have ink, too.
    order = order[owner[order] >= 0]
    order = order[words.line[owner[order]] == parts.line[order]]
    owner = owner[order]
    word, first = np.unique(owner, return_index=True)
    if not len(word):
        return edges
    left, top = (np.minimum.reduceat(x[order], first) for x in (parts.left, parts.top))
    right, bottom = (np.maximum.reduceat(x[order], first) for x in (parts.right, parts.bottom))
    start = np.maximum(left, words.begin[word] - 1)
    stop = np.minimum(right, words.end[word] + 1)
    height = heights[words.line[word]]
    pad = params.pad * height
    seen = (bottom - top >= 0.08 * height) & (stop > start)
    table = np.stack([start - pad, stop + pad, top - pad, bottom + pad], axis=1)
    for number, row in zip(word[seen].tolist(), table[seen].tolist(), strict=True):
        edges[number] = (row[0], row[1], row[2], row[3])
    return edges


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
