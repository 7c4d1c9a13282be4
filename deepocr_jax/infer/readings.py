"""Line crops -> characters with places, candidates and confidences."""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from deepocr_jax.infer.recognizer import (
    RecognizerNet,
    candidate_rows,
    make_groups,
    run_candidates,
    run_group,
)
from deepocr_jax.text.ctc import BLANK, Runs, find_runs, first_maxima


def least_confidence(confidences: Sequence[Sequence[float]]) -> float:
    """Confidence of a word: the least of its characters' best; 0 where nothing was read."""
    return min((c[0] for c in confidences), default=0.0)


@dataclass(frozen=True)
class RecognitionSettings:
    """How crops are read.

    Attributes:
        max_width: Largest compiled width; what is wider is read in pieces.
        num_candidates: Candidates a character.
        batch_size: Crops a group that is read in full; 0: chosen by width for the device.
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
        starts, stops: [n] columns of the crop between which each character's frames lie.
        candidates: For each character its best classes' characters, best first.
        confidences: Their softmax values.
        spaces: [n] for each character how far a space between it and the next one is from the best
            class, in logits: the largest of the frames there.
        missed: [n + 1] before each character and after the last one, how likely it is that one
            stands there that was not read.
    """

    text: tuple[str, ...]
    starts: np.ndarray
    stops: np.ndarray
    candidates: tuple[tuple[str, ...], ...]
    confidences: tuple[tuple[float, ...], ...]
    spaces: np.ndarray
    missed: np.ndarray

    @property
    def confidence(self) -> float:
        """Mean confidence of the characters; 0 where nothing was read."""
        if not self.text:
            return 0.0
        return float(np.mean([c[0] for c in self.confidences]))

    @property
    def centres(self) -> np.ndarray:
        """[n] column of each character."""
        return (self.starts + self.stops) / 2

    def part(self, first: int, last: int) -> "Reading":
        """The characters from one to another, the last not included."""
        return Reading(
            self.text[first:last],
            self.starts[first:last],
            self.stops[first:last],
            self.candidates[first:last],
            self.confidences[first:last],
            self.spaces[first:last],
            self.missed[first : last + 1],
        )

    def stripped(self) -> "Reading":
        """The reading without spaces at its ends."""
        solid = [i for i, c in enumerate(self.text) if not c.isspace()]
        return self.part(solid[0], solid[-1] + 1) if solid else self.part(0, 0)

    def moved(self, columns: float) -> "Reading":
        """As it is in a crop that begins so many columns further left."""
        return replace(self, starts=self.starts + columns, stops=self.stops + columns)

    def certainty(self, first: int = 0, last: int | None = None) -> float:
        """How sure it is that some characters are right and none among them is missed.

        Args:
            first: The first character.
            last: The one after the last; None: up to the end.

        Returns:
            The least of their probabilities; 0 for no characters.
        """
        last = len(self.text) if last is None else last
        missed = float(self.missed[first : last + 1].max())
        return min(least_confidence(self.confidences[first:last]), 1.0 - missed)


def joined(parts: Sequence[Reading]) -> Reading:
    """Readings of one crop's parts from left to right -> the whole crop's."""
    missed = parts[0].missed
    for part in parts[1:]:
        between = np.maximum(missed[-1:], part.missed[:1])
        missed = np.concatenate([missed[:-1], between, part.missed[1:]])
    return Reading(
        tuple(chain.from_iterable(x.text for x in parts)),
        np.concatenate([x.starts for x in parts]),
        np.concatenate([x.stops for x in parts]),
        tuple(chain.from_iterable(x.candidates for x in parts)),
        tuple(chain.from_iterable(x.confidences for x in parts)),
        np.concatenate([x.spaces for x in parts]),
        missed,
    )


def read_short(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright line crops that are no wider than a canvas; see `long_lines.read_crops`.

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
    runs: list[Runs] = [find_runs(np.zeros(0, np.int32))] * len(crops)
    rows, spaces, missed = ([np.zeros(0, np.float32)] * len(crops) for _ in range(3))
    for (_, members), seen in zip(groups, outcomes, strict=True):
        best = net.merged[seen.best]
        labels = np.where(seen.margins > 0, best, BLANK)
        nearly = nearly_read(labels, best, seen.margins)
        for slot, crop in enumerate(members):
            found = find_runs(labels[slot])
            runs[crop] = found
            rows[crop] = seen.features[slot][surest_frames(found, seen.margins[slot])]
            missed[crop] = np.maximum.reduceat(nearly[slot], np.append(0, found.start))
            if len(found.start):
                spaces[crop] = np.maximum.reduceat(seen.space_margins[slot], found.start)
    classes, confidences = _best_candidates(net, rows, pool)
    names, values = _characters(classes, confidences, net, settings.num_candidates)
    readings, offset = [], 0
    for found, space, miss in zip(runs, spaces, missed, strict=True):
        mine = slice(offset, offset + len(found.label))
        text = tuple([net.characters[label] for label in found.label.tolist()])
        edges = found.start * net.frame_px, found.stop * net.frame_px
        candidates = tuple(names[mine]), tuple(values[mine])
        readings.append(Reading(text, *edges, *candidates, space, miss))
        offset = mine.stop
    return readings


def nearly_read(labels: np.ndarray, best: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """How likely it is that a character stands in a frame where none is read: [..., t].

    Args:
        labels: [..., t] class that each frame is decoded as.
        best: [..., t] its best class but the blank.
        margins: [..., t] how far that is above the blank, in logits.

    Returns:
        Its probability beside the blank's, at most 1/2; 0 where a character is read. The edges of
        one that is read are 0, too: frames next to one of their own best class.
    """
    ends = np.full((*labels.shape[:-1], 1), BLANK, labels.dtype)
    before = np.concatenate([ends, labels[..., :-1]], axis=-1)
    after = np.concatenate([labels[..., 1:], ends], axis=-1)
    blank = (labels == BLANK) & (best != before) & (best != after)
    return np.where(blank, np.exp(-np.logaddexp(0.0, -margins)), 0.0)


def surest_frames(found: Runs, margins: np.ndarray) -> np.ndarray:
    """The frame of each run that is farthest above the blank, the first of equals: [n].

    Args:
        found: Runs of a crop's frames.
        margins: [t] how far each frame's best class is above the blank.
    """
    lengths = found.stop - found.start
    before = np.cumsum(lengths) - lengths
    inside = np.repeat(found.start - before, lengths) + np.arange(lengths.sum())
    return inside[first_maxima(margins[inside], lengths)]


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
    classes: np.ndarray,
    confidences: np.ndarray,
    net: RecognizerNet,
    num_candidates: int,
) -> tuple[list[tuple[str, ...]], list[tuple[float, ...]]]:
    """Characters' candidates and their confidences.

    Args:
        classes: [m, k] best classes of a frame of each character.
        confidences: [m, k] theirs.
        net: The recognizer.
        num_candidates: Candidates a character.
    """
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
