"""Crops read shrunk first, as a draft, and in full where the draft is not sure."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deepocr_jax.infer.long_lines import read_crops
from deepocr_jax.infer.readings import Reading, RecognitionSettings, joined
from deepocr_jax.infer.recognizer import RecognizerNet

# Crops of one word: what a draft reads with less certainty is read in full, and so are crops of
# other widths: few of the narrow ones would be sure, and long ones have many characters to be
# unsure of.
SURE = 0.99
LEAST_WIDTH, MOST_WIDTH = 64, 320
# Lines: words that a draft reads with less certainty are read in full (those of short lines as if
# they were crops of one word), with so many columns around them; the whole line is if its unsure
# words take such a share of it.
LONG_LINE = 240
SURE_WORD = 0.93
CONTEXT = 48
MOST = 0.8
# Where long lines take such a share of a page's text, it is a document, and its short lines are
# like the long ones. Those of scenes are often a large word or two: a draft takes some for others,
# and is unsure of most.
DOCUMENT = 0.5


class Part(NamedTuple):
    """Part of a draft: characters from one to another, and the columns that they lie between.

    Columns are infinite where there is no neighbour: the last frame may reach past the crop.
    """

    first: int
    last: int
    begin: float
    end: float

    def columns(self, width: int) -> slice:
        """The columns to look at, of a crop of a width."""
        begin, end = self.begin - CONTEXT, self.end + CONTEXT
        return slice(math.floor(max(begin, 0)), math.ceil(min(end, width)))


def read_words(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright crops of words, clear ones by the recognizer's draft; see `read_crops`."""
    suited = [i for i, crop in enumerate(crops) if LEAST_WIDTH <= crop.shape[1] <= MOST_WIDTH]
    return _read(crops, net, settings, pool, suited, _all_if_unsure)


def read_by_words(
    crops: list[np.ndarray],
    pages: Sequence[int],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright crops of lines, clear words by the recognizer's draft.

    Args:
        crops: As of `read_crops`, and so are the other arguments and what is returned.
        pages: For each the number of its page.
        net: See there.
        settings: See there.
        pool: See there.
    """
    suited = drafted_lines([crop.shape[1] for crop in crops], pages)
    return _read(crops, net, settings, pool, suited, unsure_parts)


def drafted_lines(widths: Sequence[int], pages: Sequence[int]) -> list[int]:
    """The lines that have a draft: long ones, and the short ones of documents.

    Args:
        widths: Columns of each line's crop.
        pages: For each the number of its page.
    """
    width, page = np.asarray(widths, np.intp), np.asarray(pages, np.intp)
    long = width >= LONG_LINE
    of_pages, of_long = np.bincount(page, width), np.bincount(page, width * long)
    is_document = of_long >= DOCUMENT * of_pages
    return np.flatnonzero(long | is_document[page] & (width >= LEAST_WIDTH)).tolist()


def _read(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None,
    suited: Sequence[int],
    find_unsure: Callable[[Reading, int], list[Part]],
) -> list[Reading]:
    """Reads crops, those that are suited by the draft but for what is unsure."""
    if net.draft is None:
        return read_crops(crops, net, settings, pool)
    others = sorted(set(range(len(crops))) - set(suited))
    # Whatever the size of full groups: a draft that another program rounds otherwise may be unsure.
    by_width = replace(settings, batch_size=0)
    drafts = read_crops([crops[i] for i in suited], net.draft, by_width, pool)
    unsure = [find_unsure(x, crops[i].shape[1]) for i, x in zip(suited, drafts, strict=True)]
    cuts = [
        (crops[i], part.columns(crops[i].shape[1]))
        for i, parts in zip(suited, unsure, strict=True)
        for part in parts
    ]
    pieces = [crop[:, columns] for crop, columns in cuts]
    full = read_crops([*(crops[i] for i in others), *pieces], net, settings, pool)
    readings = dict(zip(others, full, strict=False))
    of_pieces = full[len(others) :]
    again = iter(x.moved(c.start) for x, (_, c) in zip(of_pieces, cuts, strict=True))
    for i, draft, parts in zip(suited, drafts, unsure, strict=True):
        readings[i] = mended(draft, parts, [next(again) for _ in parts])
    return [readings[i] for i in range(len(crops))]


def _all_of(draft: Reading) -> list[Part]:
    return [Part(0, len(draft.text), -math.inf, math.inf)]


def _all_if_unsure(draft: Reading, width: int) -> list[Part]:
    return [] if draft.certainty() >= SURE else _all_of(draft)


def unsure_parts(draft: Reading, width: int) -> list[Part]:
    """The parts of a draft to be read again, neighbouring words as one, or all of it.

    Args:
        draft: Of a line.
        width: Columns of its crop.
    """
    parts: list[Part] = []
    words = _words(draft)
    sure = SURE_WORD if width >= LONG_LINE else SURE
    for word in words:
        if draft.certainty(word.first, word.last) >= sure:
            continue
        if parts and parts[-1].end == word.begin:
            parts[-1] = Part(parts[-1].first, word.last, parts[-1].begin, word.end)
        else:
            parts.append(word)
    columns = [part.columns(width) for part in parts]
    if not words or sum(c.stop - c.start for c in columns) >= MOST * width:
        return _all_of(draft)
    return parts


def _words(draft: Reading) -> list[Part]:
    """The words of a draft, and what lies between the middles of the spaces around each."""
    solid = np.array([not c.isspace() for c in draft.text], bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], solid, [False]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return []
    middles = (draft.stops[stops[:-1] - 1] + draft.starts[starts[1:]]) / 2
    first, last = [0, *starts[1:].tolist()], [*stops[:-1].tolist(), len(draft.text)]
    begin, end = [-math.inf, *middles.tolist()], [*middles.tolist(), math.inf]
    return [Part(*x) for x in zip(first, last, begin, end, strict=True)]


def mended(draft: Reading, parts: Sequence[Part], again: Sequence[Reading]) -> Reading:
    """A draft with parts of it replaced by what was read of these columns in full.

    Args:
        draft: Of a line.
        parts: From left to right.
        again: One a part. What it holds of the columns around the part is left out, and so are
            spaces at its ends, which the draft has.
    """
    pieces, done = [], 0
    for part, reading in zip(parts, again, strict=True):
        inner = np.searchsorted(reading.centres, [part.begin, part.end]).tolist()
        pieces += [draft.part(done, part.first)] if done < part.first else []
        pieces.append(reading.part(*inner).stripped())
        done = part.last
    kept = [draft.part(done, len(draft.text))] if done < len(draft.text) or not pieces else []
    return joined([*pieces, *kept])
