"""Line crops -> characters with frames, candidates and confidences.

Where a recognizer has a draft, words are read by that first, and what it is not sure of is read in
full.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from deepocr_jax.infer.recognizer import (
    RecognizerNet,
    candidate_rows,
    make_groups,
    run_candidates,
    run_group,
)
from deepocr_jax.text.ctc import BLANK, Runs, find_runs, first_maxima

# What a draft reads with less certainty is read in full, and so are crops of other widths: few of
# the narrow ones would be sure, and long ones have many characters to be unsure of.
SURE = 0.97
DRAFT_WIDTHS = 64, 320


def least_confidence(confidences: Sequence[Sequence[float]]) -> float:
    """Confidence of a word: the least of its characters' best; 0 where nothing was read."""
    return min((c[0] for c in confidences), default=0.0)


@dataclass(frozen=True)
class RecognitionSettings:
    """How crops are read.

    Attributes:
        max_width: Largest compiled width.
        num_candidates: Candidates a character.
        batch_size: Crops a group; 0: chosen by width for the device.
        alignment: Whether word images are straightened before they become crops.
    """

    max_width: int = 2048
    num_candidates: int = 3
    batch_size: int = 0
    alignment: bool = False


@dataclass(frozen=True)
class Reading:
    """What was read in one crop.

    Attributes:
        text: One character an entry.
        runs: Frames of the characters.
        candidates: For each character its best classes' characters, best first.
        confidences: Their softmax values.
        space_margins: [t] for each frame how far the space is from the best class, in logits.
        best: [t] best class of each frame but the blank, and
        margins: [t] how far it is above the blank, in logits.
        frame_px: Columns of the crop that a frame stands for.
    """

    text: tuple[str, ...]
    runs: Runs
    candidates: tuple[tuple[str, ...], ...]
    confidences: tuple[tuple[float, ...], ...]
    space_margins: np.ndarray
    best: np.ndarray
    margins: np.ndarray
    frame_px: int

    @property
    def confidence(self) -> float:
        """Mean confidence of the characters; 0 where nothing was read."""
        if not self.text:
            return 0.0
        return float(np.mean([c[0] for c in self.confidences]))

    @property
    def certainty(self) -> float:
        """How sure it is that all characters are right and none is missed; 0 for no characters."""
        labels = np.where(self.margins > 0, self.best, BLANK)
        missed = float(likeliest_missed(labels, self.best, self.margins))
        return min(least_confidence(self.confidences), 1.0 - missed)


def read_crops(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright line crops.

    Args:
        crops: [LINE_HEIGHT, w, 3] uint8 RGB each, w <= settings.max_width.
        net: The recognizer.
        settings: How they are read.
        pool: Runs groups side by side, if given.

    Returns:
        One reading a crop, independent of the other crops.
    """
    groups = make_groups(crops, net, settings.max_width, settings.batch_size)
    run = functools.partial(run_group, crops, net)
    numbers = range(len(groups))
    outcomes = list(pool.map(run, groups, numbers) if pool else map(run, groups, numbers))
    nothing = np.zeros(0, np.float32)
    runs: list[Runs] = [find_runs(np.zeros(0, np.int32))] * len(crops)
    rows = [nothing] * len(crops)
    frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = [(nothing, nothing, nothing)] * len(
        crops
    )
    for (_, members), seen in zip(groups, outcomes, strict=True):
        best = net.merged[seen.best]
        labels = np.where(seen.margins > 0, best, BLANK)
        for slot, crop in enumerate(members):
            frames[crop] = seen.space_margins[slot], best[slot], seen.margins[slot]
            runs[crop] = find_runs(labels[slot])
            rows[crop] = seen.features[slot][labels[slot] != BLANK]
    classes, confidences = _best_candidates(net, rows, pool)
    names, values = _characters(runs, classes, confidences, net, settings.num_candidates)
    readings, offset = [], 0
    for run_, (space, best, margin) in zip(runs, frames, strict=True):
        mine = slice(offset, offset + len(run_.label))
        text = tuple([net.characters[label] for label in run_.label.tolist()])
        candidates = tuple(names[mine]), tuple(values[mine])
        readings.append(Reading(text, run_, *candidates, space, best, margin, net.frame_px))
        offset = mine.stop
    return readings


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
    sure = {i: x for i, x in zip(suited, drafts, strict=True) if x.certainty >= SURE}
    others = [i for i in range(len(crops)) if i not in sure]
    full = dict(
        zip(others, read_crops([crops[i] for i in others], net, settings, pool), strict=True)
    )
    return [sure[i] if i in sure else full[i] for i in range(len(crops))]


def likeliest_missed(labels: np.ndarray, best: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """How likely it is that a character stands where none is read: the likeliest one's, [...].

    Args:
        labels: [..., t] class that each frame is decoded as.
        best: [..., t] its best class but the blank.
        margins: [..., t] how far that is above the blank, in logits.

    Returns:
        Its probability beside the blank's, at most 1/2. The edges of a character that is read do
        not count: frames next to one of their own best class.
    """
    ends = np.full((*labels.shape[:-1], 1), BLANK, labels.dtype)
    before = np.concatenate([ends, labels[..., :-1]], axis=-1)
    after = np.concatenate([labels[..., 1:], ends], axis=-1)
    blank = (labels == BLANK) & (best != before) & (best != after)
    largest = np.max(margins, axis=-1, where=blank, initial=-np.inf)
    return np.exp(-np.logaddexp(0.0, -largest))


def _best_candidates(
    net: RecognizerNet, rows: list[np.ndarray], pool: ThreadPoolExecutor | None
) -> tuple[np.ndarray, np.ndarray]:
    """Best classes and their probabilities of packed frames: [m, k] each."""
    packed = [r for r in rows if len(r)]
    if not packed:
        return np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32)
    features = np.concatenate(packed)
    size = candidate_rows(net.platform)
    blocks = [features[i : i + size] for i in range(0, len(features), size)]
    run = functools.partial(run_candidates, net)
    parts = list(pool.map(run, blocks) if pool else map(run, blocks))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _characters(
    runs: Sequence[Runs],
    classes: np.ndarray,
    confidences: np.ndarray,
    net: RecognizerNet,
    num_candidates: int,
) -> tuple[list[tuple[str, ...]], list[tuple[float, ...]]]:
    """Candidates of all crops' characters, from the surest frame of each, and their confidences.

    Args:
        runs: Of each crop.
        classes: [m, k] best classes of the frames that bear characters, of all crops.
        confidences: [m, k] theirs.
        net: The recognizer.
        num_candidates: Candidates a character.
    """
    lengths = np.concatenate([np.zeros(0, np.intp), *(r.stop - r.start for r in runs)])
    frames = first_maxima(confidences[:, 0], lengths)
    classes, confidences = classes[frames], confidences[frames]
    if np.array_equal(net.merged, np.arange(len(net.merged))):
        # No two classes are one: what there is but the blank is in order already.
        blank_last = np.argsort(classes == BLANK, axis=1, kind="stable")[:, :num_candidates]
        best = np.take_along_axis(classes, blank_last, axis=1)
        if not (best == BLANK).any():
            values = np.take_along_axis(confidences, blank_last, axis=1)
            names = np.array(net.characters, object)[best]
            return list(map(tuple, names.tolist())), list(map(tuple, values.tolist()))
    merged = [_merge(c, v, net, num_candidates) for c, v in zip(classes, confidences, strict=True)]
    return [names for names, _ in merged], [values for _, values in merged]


def _merge(
    classes: np.ndarray, confidences: np.ndarray, net: RecognizerNet, num_candidates: int
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Candidates of one frame after the mapping: classes decoded alike are added up."""
    total: dict[str, float] = {}
    for label, value in zip(net.merged[classes], confidences, strict=True):
        name = net.characters[label]
        if label != BLANK:
            total[name] = total.get(name, 0.0) + float(value)
    best = sorted(total.items(), key=lambda item: -item[1])[:num_candidates]
    return tuple(name for name, _ in best), tuple(value for _, value in best)
