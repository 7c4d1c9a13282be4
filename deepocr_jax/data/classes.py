"""The classes of a data set: their ids by name, and which of them hold text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepocr_jax.data.keys import DATASET_KEYS, usable

WORD, CHAR, IGNORE = 0, 1, 2
"""Class ids of a data set for text detection."""
WORD_CLASS = "word"
NOT_TO_BE_READ = "###"
"""Text that a labeller wrote because nobody can read it (as the ICDAR sets do)."""


def class_names_by_id(dataset: Mapping[str, Any]) -> dict[int, str]:
    """Names of the classes by their ids; empty where the data set has no usable classes."""
    names = usable(dataset, DATASET_KEYS, "class_names")
    ids = usable(dataset, DATASET_KEYS, "class_ids")
    if names is None or ids is None:
        return {}
    return {int(i): str(name) for i, name in zip(ids, names, strict=False)}


def text_class_ids(dataset: Mapping[str, Any]) -> frozenset[int]:
    """Ids of the classes whose boxes hold words: "word", and those marked `is_text_class`."""
    found = {i for i, name in class_names_by_id(dataset).items() if name == WORD_CLASS}
    ids = usable(dataset, DATASET_KEYS, "class_ids")
    custom = usable(dataset, DATASET_KEYS, "class_custom_data")
    if custom is not None and ids is not None:
        # A labelling tool may write the flag as text or as a number.
        marked = [str(entry.get("is_text_class")).lower() in ("true", "1") for entry in custom]
        found |= {int(i) for i, mark in zip(ids, marked, strict=False) if mark}
    return frozenset(found)
