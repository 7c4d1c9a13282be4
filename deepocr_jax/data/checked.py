"""Datasets of what a person has confirmed alone, as the label page marks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from deepocr_jax.data.classes import NOT_TO_BE_READ, text_class_ids
from deepocr_jax.data.keys import SAMPLE_KEYS, samples_of, usable
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset

CHECKED = "checked"
"""Of a word's custom data (form A) or of a crop's sample (form B): a person has confirmed it."""
EDITED = "edited"
"""Key of a sample that a person has changed or confirmed: nothing reads it anew."""


def keep_checked_words(dataset: DLDataset) -> DLDataset:
    """What reading can be learned from: checked crops, and checked words of whole images.

    Other crops are left out, other words have the text "###". Samples that cannot be understood
    stay, for `find_faults` to report.

    Args:
        dataset: Of form A or B; it is not changed.

    Raises:
        DatasetError: Nothing is checked.
    """
    kept = [s for s in samples_of(dataset) if not _is_crop(s) or _is_checked(s)]
    if not any(_is_crop(s) or any(map(_is_checked, _custom_data(s))) for s in kept):
        raise _none_left("word")
    return cast(DLDataset, {**dataset, "samples": [_without_texts(s) for s in kept]})


def keep_checked_images(dataset: DLDataset) -> DLDataset:
    """What finding words can be learned from: images that a person has gone through.

    These are the images whose words are all checked, and those without words that were worked on.

    Args:
        dataset: Of form A; it is not changed.

    Raises:
        DatasetError: No image is left.
    """
    text_ids = text_class_ids(dataset)
    kept = [s for s in samples_of(dataset) if isinstance(s, Mapping) and _is_done(s, text_ids)]
    if not kept:
        raise _none_left("image with all its words")
    return cast(DLDataset, {**dataset, "samples": kept})


def _none_left(what: str) -> DatasetError:
    return DatasetError(
        f"Expected at least one {what} marked as checked, got none; confirm words in deepocr "
        "label, or leave out checked_only."
    )


def _is_crop(sample: Any) -> bool:
    return isinstance(sample, Mapping) and "word" in sample


def _is_checked(entry: Mapping[str, Any]) -> bool:
    return entry.get(CHECKED) is True


def _is_done(sample: Mapping[str, Any], text_ids: frozenset[int]) -> bool:
    custom = _custom_data(sample)
    ids = usable(sample, SAMPLE_KEYS, "bbox_label_id") or [None] * len(custom)
    pairs = zip(custom, ids, strict=False)
    words = [_is_checked(entry) for entry, i in pairs if i is None or i in text_ids]
    return all(words) if words else sample.get(EDITED) is True


def _without_texts(sample: Any) -> Any:
    """A whole image without the texts of words that are not checked; any other sample as it is."""
    custom = _custom_data(sample)
    if not custom:
        return sample
    entries = [c if _is_checked(c) else {**c, "text": NOT_TO_BE_READ} for c in custom]
    return {**sample, "label_custom_data": entries}


def _custom_data(sample: Any) -> Sequence[Mapping[str, Any]]:
    """The custom data of a whole image's boxes; empty where there is none that can be used."""
    if not isinstance(sample, Mapping) or _is_crop(sample):
        return ()
    return usable(sample, SAMPLE_KEYS, "label_custom_data") or ()
