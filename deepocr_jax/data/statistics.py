"""How often each character occurs in a data set for recognition."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import TypedDict

from deepocr_jax.data.keys import SAMPLE_KEYS, samples_of, usable
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_recognition
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset

RARE_RATIO = 0.1
"""A character is rare when it occurs less than this share of the average (from the reference)."""
_NAMED = 20


class CharStatistics(TypedDict):
    """How often one character occurs.

    Attributes:
        count: occurrences in all words.
        average_ratio: `count` divided by the average over all characters.
    """

    count: int
    average_ratio: float


class OCRRecognitionStatistics(TypedDict):
    """Characters of a data set.

    Attributes:
        chars: the statistics of each character, in the order of `charset`.
        charset: the characters that occur, sorted.
        charset_size: how many they are.
        occurrences_count: occurrences of all of them together.
        occurrences_average: occurrences of a character on average.
    """

    chars: dict[str, CharStatistics]
    charset: list[str]
    charset_size: int
    occurrences_count: int
    occurrences_average: float


def gen_dl_dataset_ocr_recognition_statistics(dataset: DLDataset) -> OCRRecognitionStatistics:
    """Counts the characters of all words, and warns (UserWarning) of those that are rare.

    Args:
        dataset: a data set for recognition; whole images with texts are taken as well. Samples
            without a usable word are left out.

    Raises:
        DatasetError: there is no word.
    """
    if any(isinstance(s, Mapping) and "label_custom_data" in s for s in samples_of(dataset)):
        dataset = read_dl_dataset_ocr_recognition(dataset)
    counts: Counter[str] = Counter()
    for sample in samples_of(dataset):
        word = usable(sample, SAMPLE_KEYS, "word") if isinstance(sample, Mapping) else None
        counts.update(word or "")
    if not counts:
        raise DatasetError(
            "Expected samples with a word, found none; read the dataset with "
            "read_dl_dataset_ocr_recognition."
        )
    total = counts.total()
    average = total / len(counts)
    chars: dict[str, CharStatistics] = {
        c: {"count": counts[c], "average_ratio": counts[c] / average} for c in sorted(counts)
    }
    _warn_of_rare(chars)
    return {
        "chars": chars,
        "charset": list(chars),
        "charset_size": len(chars),
        "occurrences_count": total,
        "occurrences_average": average,
    }


def _warn_of_rare(chars: Mapping[str, CharStatistics]) -> None:
    rare = [c for c, facts in chars.items() if facts["average_ratio"] < RARE_RATIO]
    if not rare:
        return
    named = ", ".join(f"{c!r} ({chars[c]['count']})" for c in rare[:_NAMED])
    more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
    warnings.warn(
        f"{len(rare)} of {len(chars)} characters are rare (less than a tenth of the average): "
        f"{named}{more}. A model may not learn them; add samples that have them.",
        UserWarning,
        stacklevel=3,
    )
