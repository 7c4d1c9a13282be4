"""Crops read shrunk first, as a draft, and in full where the draft is not sure."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from deepocr_jax.infer.readings import Reading, RecognitionSettings, joined, read_crops
from deepocr_jax.infer.recognizer import RecognizerNet

# Crops of one word: what a draft reads with less certainty is read in full, and so are crops of
# other widths: few of the narrow ones would be sure, and long ones have many characters to be
# unsure of.
SURE = 0.97
DRAFT_WIDTHS = 64, 320
# Words of lines.
SURE_WORD = 0.93
LEAST_LINE = 240
CONTEXT = 48
WHOLE = 0.8


class Part(NamedTuple):
    """Characters of a reading, and the columns of its crop that they lie between."""

    first: int
    last: int
    begin: float
    end: float


def read_words(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright crops of words, clear ones by the recognizer's draft; see `read_crops`."""
    if net.draft is None:
        return read_crops(crops, net, settings, pool)
    least, most = DRAFT_WIDTHS
    suited = [i for i, crop in enumerate(crops) if least <= crop.shape[1] <= most]
    drafts = read_crops([crops[i] for i in suited], net.draft, settings, pool)
    sure = {i: x for i, x in zip(suited, drafts, strict=True) if x.certainty() >= SURE}
    others = [i for i in range(len(crops)) if i not in sure]
    full = dict(
        zip(others, read_crops([crops[i] for i in others], net, settings, pool), strict=True)
    )
    return [sure[i] if i in sure else full[i] for i in range(len(crops))]


def read_by_words(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright crops of lines, the clear words of them by the recognizer's draft."""
    if net.draft is None:
        return read_crops(crops, net, settings, pool)
    wide = [i for i, crop in enumerate(crops) if crop.shape[1] >= LEAST_LINE]
    drafts = dict(
        zip(wide, read_crops([crops[i] for i in wide], net.draft, settings, pool), strict=True)
    )
    parts: list[tuple[int, Part]] = []
    for i, crop in enumerate(crops):
        width = crop.shape[1]
        mine = unsure_parts(drafts[i], width) if i in drafts else [Part(0, 0, 0, width)]
        parts += [(i, part) for part in mine]
    pieces = [_piece(crops[i], part) for i, part in parts]
    again = read_crops([crop for crop, _ in pieces], net, settings, pool)
    found: dict[int, list[tuple[Part, Reading]]] = {}
    for (i, part), (_, offset), reading in zip(parts, pieces, again, strict=True):
        found.setdefault(i, []).append((part, _inside(reading.moved(offset), part, crops[i].shape[1])))
    return [
        _mended(drafts[i], found.get(i, [])) if i in drafts else found[i][0][1]
        for i in range(len(crops))
    ]


def unsure_parts(draft: Reading, width: int) -> list[Part]:
    """What is to be read again of a crop: its unsure words, neighbours as one; or all of it."""
    everything = [Part(0, len(draft.text), 0, width)]
    words = _word_ranges(draft)
    if not words:
        return everything
    parts: list[Part] = []
    for k, (first, last) in enumerate(words):
        # With the spaces at its sides.
        begin = words[k - 1][1] if k else 0
        end = words[k + 1][0] if k + 1 < len(words) else len(draft.text)
        if draft.certainty(begin, end) >= SURE_WORD:
            continue
        left = (draft.stops[begin - 1] + draft.starts[first]) / 2 if k else 0
        right = (draft.stops[last - 1] + draft.starts[end]) / 2 if k + 1 < len(words) else width
        first = first if k else 0
        last = last if k + 1 < len(words) else end
        if parts and parts[-1].end == left:
            parts[-1] = Part(parts[-1].first, last, parts[-1].begin, right)
        else:
            parts.append(Part(first, last, left, right))
    if sum(max(x.end - x.begin + 2 * CONTEXT, 160) for x in parts) >= WHOLE * width:
        return everything
    return parts


def _word_ranges(reading: Reading) -> list[tuple[int, int]]:
    """First characters of the words, and those after their last ones."""
    solid = np.array([not c.isspace() for c in reading.text], bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], solid, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _piece(crop: np.ndarray, part: Part) -> tuple[np.ndarray, int]:
    """A part of a crop with something around it, and the column that it begins at."""
    begin = max(0, round(part.begin) - CONTEXT)
    return crop[:, begin : round(part.end) + CONTEXT], begin


def _inside(reading: Reading, part: Part, width: int) -> Reading:
    # Frames may reach past the end of a crop.
    edges = part.begin, np.inf if part.end == width else part.end
    first, last = np.searchsorted(reading.centres, edges).tolist()
    return reading.part(first, last)


def _mended(draft: Reading, again: list[tuple[Part, Reading]]) -> Reading:
    """A draft with parts of it replaced by what was read in full."""
    pieces, done = [], 0
    for part, reading in again:
        pieces += [draft.part(done, part.first), reading]
        done = part.last
    return joined([*pieces, draft.part(done, len(draft.text))]) if again else draft
