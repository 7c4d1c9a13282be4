"""How well words are read: a state that takes samples, merges with others, and computes."""

from __future__ import annotations

import heapq
import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.metrics.alignment import align_texts

MAX_CONFUSIONS = 50
"""Confusions that `compute` lists; the state keeps all."""


class WorstExample(TypedDict):
    """One of the samples that were read worst.

    Attributes:
        image_id: number of the image in its data set, -1 where it was not given.
        truth: the true text.
        read: what was read.
        edits: edit distance between the two.
        confidence: confidence of the reading in [0, 1].
    """

    image_id: int
    truth: str
    read: str
    edits: int
    confidence: float


class CharacterAccuracy(TypedDict):
    """How one character of the truth was read.

    Attributes:
        count: how often it occurs in the truth.
        correct: how often it was read as itself.
        accuracy: correct / count.
    """

    count: int
    correct: int
    accuracy: float


class RecognitionResult(TypedDict):
    """What `RecognitionMetrics.compute` gives; shares are in [0, 1], None where nothing counts.

    Attributes:
        count: number of samples.
        count_36: number of samples that `accuracy_36` counts.
        accuracy: share of words read exactly.
        accuracy_caseless: share of words read exactly but for upper and lower case.
        accuracy_36: share of words that are equal in lower case after all but 0-9 and a-z is
            dropped; samples whose truth is then empty are left out. The protocol of the scene-text
            benchmarks, as in Baek et al., "What is wrong with scene text recognition model
            comparisons?", ICCV 2019, section 4.1.
        character_error_rate: edits over characters of the truth (it can exceed 1).
        confusions: the most frequent (truth character, read character, count), "" for a character
            that is missing on that side.
        characters: accuracy of each character of the truth, in code point order.
        worst: the samples read worst, the worst first.
    """

    count: int
    count_36: int
    accuracy: float | None
    accuracy_caseless: float | None
    accuracy_36: float | None
    character_error_rate: float | None
    confusions: list[tuple[str, str, int]]
    characters: dict[str, CharacterAccuracy]
    worst: list[WorstExample]


class _Badness(NamedTuple):
    """A sample with an error, ordered so that the worst sorts first whatever order they came in."""

    minus_share: float
    minus_confidence: float
    image_id: int
    truth: str
    read: str
    edits: int


@dataclass
class RecognitionMetrics:
    """Counts over samples; `merge` is associative and commutative, so parts may come in any order.

    Attributes:
        worst_kept: most samples that `worst` keeps; states that merge need the same number.
        count: number of samples.
        exact: samples read exactly.
        caseless: samples read exactly but for case.
        count_36: samples with a truth in the 36 characters.
        exact_36: those of them that were read right.
        edits: sum of the edit distances.
        length: characters of all truths.
        pairs: number of each (truth character, read character), the equal ones as well.
    """

    worst_kept: int = 20
    count: int = 0
    exact: int = 0
    caseless: int = 0
    count_36: int = 0
    exact_36: int = 0
    edits: int = 0
    length: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    _worst: list[_Badness] = field(default_factory=list)

    def update(self, truth: str, read: str, confidence: float = 1.0, image_id: int = -1) -> None:
        """Counts one sample.

        Args:
            truth: the true text.
            read: the text that was read.
            confidence: confidence of the reading in [0, 1]; of equally bad readings the more
                confident one counts as worse.
            image_id: number of the image, to find it again.
        """
        edits, pairs = align_texts(truth, read)
        self.count += 1
        self.exact += truth == read
        self.caseless += truth.casefold() == read.casefold()
        truth_36 = to_36_characters(truth)
        if truth_36:
            self.count_36 += 1
            self.exact_36 += truth_36 == to_36_characters(read)
        self.edits += edits
        self.length += len(truth)
        self.pairs.update(pairs)
        if edits:
            share = edits / max(1, len(truth))
            # NaN has no order, and one would make the result depend on the order of samples.
            sure = 0.0 if math.isnan(confidence) else float(confidence)
            bad = _Badness(-share, -sure, int(image_id), truth, read, edits)
            self._worst = heapq.nsmallest(self.worst_kept, [*self._worst, bad])

    def merge(self, other: RecognitionMetrics) -> RecognitionMetrics:
        """The state of the samples of both; neither is changed.

        Raises:
            ParameterValueError: the states keep different numbers of worst samples.
        """
        if self.worst_kept != other.worst_kept:
            raise ParameterValueError(
                "Expected states that keep equally many worst samples, got "
                f"{self.worst_kept} and {other.worst_kept}; create them with the same worst_kept."
            )
        counts = {name: getattr(self, name) + getattr(other, name) for name in _COUNTS}
        worst = heapq.nsmallest(self.worst_kept, [*self._worst, *other._worst])
        return RecognitionMetrics(
            self.worst_kept, **counts, pairs=self.pairs + other.pairs, _worst=worst
        )

    def compute(self) -> RecognitionResult:
        """The figures of all samples so far; see `RecognitionResult`."""
        return {
            "count": self.count,
            "count_36": self.count_36,
            "accuracy": _share(self.exact, self.count),
            "accuracy_caseless": _share(self.caseless, self.count),
            "accuracy_36": _share(self.exact_36, self.count_36),
            "character_error_rate": _share(self.edits, self.length),
            "confusions": self._confusions(),
            "characters": self._characters(),
            "worst": [
                {
                    "image_id": bad.image_id,
                    "truth": bad.truth,
                    "read": bad.read,
                    "edits": bad.edits,
                    "confidence": -bad.minus_confidence,
                }
                for bad in self._worst
            ],
        }

    def _confusions(self) -> list[tuple[str, str, int]]:
        wrong = [(t, r, n) for (t, r), n in self.pairs.items() if t != r]
        return sorted(wrong, key=lambda c: (-c[2], c[0], c[1]))[:MAX_CONFUSIONS]

    def _characters(self) -> dict[str, CharacterAccuracy]:
        totals: Counter[str] = Counter()
        for (truth, _), number in self.pairs.items():
            totals[truth] += number
        del totals[""]  # of invented characters there is no truth
        result: dict[str, CharacterAccuracy] = {}
        for character, count in sorted(totals.items()):
            correct = self.pairs[character, character]
            result[character] = {"count": count, "correct": correct, "accuracy": correct / count}
        return result

    def to_json(self) -> str:
        """The state as JSON text, for merging the states of several processes."""
        state: dict[str, object] = {name: getattr(self, name) for name in _COUNTS}
        state["worst_kept"] = self.worst_kept
        state["pairs"] = [[t, r, n] for (t, r), n in sorted(self.pairs.items())]
        state["worst"] = [list(bad) for bad in self._worst]
        return json.dumps(state)

    @classmethod
    def from_json(cls, text: str) -> RecognitionMetrics:
        """The state that `to_json` wrote.

        Raises:
            ParameterValueError: the text is not such a state.
        """
        try:
            state = json.loads(text)
            return cls(
                int(state["worst_kept"]),
                **{name: int(state[name]) for name in _COUNTS},
                pairs=Counter({(t, r): n for t, r, n in state["pairs"]}),
                _worst=[_Badness(*row) for row in state["worst"]],
            )
        except (ValueError, TypeError, KeyError) as error:
            raise ParameterValueError(
                "Expected the JSON text of RecognitionMetrics.to_json, got something else "
                f"({type(error).__name__}: {error}); pass the text unchanged."
            ) from error


_COUNTS = ("count", "exact", "caseless", "count_36", "exact_36", "edits", "length")


def to_36_characters(text: str) -> str:
    """The text in lower case with only its characters 0-9 and a-z."""
    return re.sub("[^0-9a-z]", "", text.lower())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
