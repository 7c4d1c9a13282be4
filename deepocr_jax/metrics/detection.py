"""How well words are found, and found and read: a state that takes images, merges, computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.metrics.overlap import box_areas, intersection_areas

IGNORED_COVER = 0.5
"""Share of a found box that an ignored region must cover for the box not to count (ICDAR 2015)."""


class Scores(TypedDict):
    """Precision, recall and their harmonic mean in [0, 1]; None where nothing counts."""

    precision: float | None
    recall: float | None
    f_score: float | None


class ThresholdResult(Scores):
    """Scores at one threshold.

    Attributes:
        iou_threshold: least overlap (intersection over union) of a match.
        end_to_end: scores of boxes that match and whose text is exactly that of the truth.
        end_to_end_caseless: the same with upper and lower case alike.
    """

    iou_threshold: float
    end_to_end: Scores
    end_to_end_caseless: Scores


class DetectionResult(TypedDict):
    """What `DetectionMetrics.compute` gives.

    Attributes:
        images: number of images.
        thresholds: the scores at each threshold, in the order they were asked for.
    """

    images: int
    thresholds: list[ThresholdResult]


@dataclass
class _Counts:
    """Boxes of the truth, boxes found (without those on ignored regions), and matches."""

    truths: int = 0
    found: int = 0
    matches: int = 0
    read_truths: int = 0
    read_found: int = 0
    read: int = 0
    read_caseless: int = 0

    def plus(self, other: _Counts) -> _Counts:
        return _Counts(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))


@dataclass
class DetectionMetrics:
    """Counts over images; `merge` is associative and commutative.

    Boxes are matched one to one, greedily: the pair with the largest overlap first, of equal ones
    the first box of the truth, then the first box found. (The best assignment, by Hungarian
    method, differs only where boxes of one side overlap each other; the greedy one needs no SciPy
    and its matches at a threshold are those of any lower threshold, cut.)

    Ignored boxes of the truth count neither as missed nor, if found, as wrong: a box found that
    matches no counted truth and lies on one of them with at least half its area is left out.
    """

    iou_thresholds: tuple[float, ...] = (0.5,)
    images: int = 0
    _counts: list[_Counts] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.iou_thresholds = tuple(float(t) for t in self.iou_thresholds)
        if not self.iou_thresholds or not all(0 < t <= 1 for t in self.iou_thresholds):
            raise ParameterValueError(
                f"Expected iou_thresholds in (0, 1], got {self.iou_thresholds}; 0.5 is usual."
            )
        self._counts = self._counts or [_Counts() for _ in self.iou_thresholds]

    def update(
        self,
        truth_boxes: np.ndarray,
        boxes: np.ndarray,
        truth_ignored: np.ndarray | None = None,
        truth_texts: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> None:
        """Counts one image.

        Args:
            truth_boxes: [n, 5] true boxes (row, col, phi, length1, length2).
            boxes: [m, 5] boxes found.
            truth_ignored: [n] bool, True for boxes of class ignore; None for none.
            truth_texts: the n true texts; None where reading is not measured.
            texts: the m texts read, given if and only if `truth_texts` are.

        Raises:
            ParameterValueError: lengths that do not fit together, or boxes that are not finite.
        """
        truth_boxes, boxes = _as_boxes(truth_boxes, "truth_boxes"), _as_boxes(boxes, "boxes")
        ignored = np.zeros(len(truth_boxes), bool)
        if truth_ignored is not None:
            ignored = np.asarray(truth_ignored, bool).reshape(-1)
        _check_lengths(len(truth_boxes), len(boxes), ignored, truth_texts, texts)
        shared = intersection_areas(truth_boxes, boxes)
        truth_area, area = box_areas(truth_boxes), box_areas(boxes)
        union = truth_area[:, None] + area[None] - shared
        iou = np.where(ignored[:, None], 0.0, shared / np.maximum(union, 1e-12))
        cover = np.where(ignored[:, None], shared / np.maximum(area[None], 1e-12), 0.0)
        on_ignored = (cover >= IGNORED_COVER).any(axis=0)
        pairs = _greedy_matches(iou)
        self.images += 1
        for threshold, counts in zip(self.iou_thresholds, self._counts, strict=True):
            matched = [(i, j) for i, j in pairs if iou[i, j] >= threshold]
            left_out = on_ignored & ~np.isin(np.arange(len(boxes)), [j for _, j in matched])
            truths, found = int((~ignored).sum()), int((~left_out).sum())
            counts.truths += truths
            counts.found += found
            counts.matches += len(matched)
            if truth_texts is None or texts is None:
                continue
            counts.read_truths += truths
            counts.read_found += found
            counts.read += sum(truth_texts[i] == texts[j] for i, j in matched)
            counts.read_caseless += sum(
                truth_texts[i].casefold() == texts[j].casefold() for i, j in matched
            )

    def merge(self, other: DetectionMetrics) -> DetectionMetrics:
        """The state of the images of both; neither is changed.

        Raises:
            ParameterValueError: the states have different thresholds.
        """
        if self.iou_thresholds != other.iou_thresholds:
            raise ParameterValueError(
                f"Expected states with the same iou_thresholds, got {self.iou_thresholds} and "
                f"{other.iou_thresholds}; create both with the same."
            )
        counts = [a.plus(b) for a, b in zip(self._counts, other._counts, strict=True)]
        return DetectionMetrics(self.iou_thresholds, self.images + other.images, counts)

    def compute(self) -> DetectionResult:
        """The scores of all images so far; see `DetectionResult`."""
        thresholds: list[ThresholdResult] = []
        for threshold, c in zip(self.iou_thresholds, self._counts, strict=True):
            thresholds.append(
                {
                    "iou_threshold": threshold,
                    **_scores(c.matches, c.truths, c.found),
                    "end_to_end": _scores(c.read, c.read_truths, c.read_found),
                    "end_to_end_caseless": _scores(c.read_caseless, c.read_truths, c.read_found),
                }
            )
        return {"images": self.images, "thresholds": thresholds}


def _values(counts: _Counts) -> list[int]:
    return list(vars(counts).values())


def _as_boxes(boxes: np.ndarray, name: str) -> np.ndarray:
    """[n, 5] float64 of anything that is such an array, the empty list included."""
    array = np.asarray(boxes, np.float64)
    if array.size == 0:
        return np.zeros((0, 5))
    if array.ndim != 2 or array.shape[1] != 5 or not np.isfinite(array).all():
        raise ParameterValueError(
            f"Expected {name} as finite numbers [n, 5] (row, col, phi, length1, length2), got "
            f"shape {list(array.shape)}; drop broken boxes first."
        )
    return array


def _check_lengths(
    truths: int,
    found: int,
    ignored: np.ndarray,
    truth_texts: Sequence[str] | None,
    texts: Sequence[str] | None,
) -> None:
    """Raises where a sequence has not one entry for each of its boxes."""
    wrong = len(ignored) != truths or (truth_texts is None) != (texts is None)
    wrong = wrong or (truth_texts is not None and len(truth_texts) != truths)
    if wrong or (texts is not None and len(texts) != found):
        lengths = [None if t is None else len(t) for t in (truth_texts, texts)]
        raise ParameterValueError(
            f"Expected one flag and one text for each of {truths} true boxes and one text for each "
            f"of {found} boxes found, got {len(ignored)} flags and {lengths} texts; give both "
            "texts or neither."
        )


def _greedy_matches(iou: np.ndarray) -> list[tuple[int, int]]:
    """Disjoint (row, column) pairs with a positive value, the largest value first."""
    pairs: list[tuple[int, int]] = []
    if iou.size == 0:
        return pairs
    # A stable sort leaves equal values in the order of rows, then of columns.
    order = np.argsort(-iou, axis=None, kind="stable")
    rows, cols = np.zeros(len(iou), bool), np.zeros(iou.shape[1], bool)
    for i, j in zip(*np.unravel_index(order, iou.shape), strict=True):
        if iou[i, j] <= 0:
            break
        if not rows[i] and not cols[j]:
            rows[i] = cols[j] = True
            pairs.append((int(i), int(j)))
    return pairs


def _scores(matches: int, truths: int, found: int) -> Scores:
    return {
        "precision": matches / found if found else None,
        "recall": matches / truths if truths else None,
        "f_score": 2 * matches / (truths + found) if truths + found else None,
    }
