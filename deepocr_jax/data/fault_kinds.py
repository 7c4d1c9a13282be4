"""What a fault of a data set is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from deepocr_jax.data.keys import is_integer

FaultKind: TypeAlias = Literal[
    "wrong_type",
    "missing_key",
    "unequal_lengths",
    "bad_id",
    "doubled_id",
    "unknown_split",
    "missing_split",
    "empty_split",
    "no_samples",
    "bad_class",
    "no_word_class",
    "unknown_class",
    "path_leaves",
    "missing_file",
    "unreadable_image",
    "not_finite",
    "no_area",
    "outside_image",
    "empty_word",
    "unknown_character",
    "word_too_long",
]


class Fault(NamedTuple):
    """One thing that is wrong with a data set.

    Attributes:
        index: index of the sample, or None where the data set as a whole is at fault.
        image_id: the sample's id, where it has a usable one.
        kind: what sort of fault it is.
        reason: what was expected and what is there, as a sentence.
        box: index of the box, where one box of a sample is at fault and not the whole sample.
    """

    index: int | None
    image_id: int | None
    kind: FaultKind
    reason: str
    box: int | None = None


def sample_fault(
    index: int, sample: Any, kind: FaultKind, reason: str, box: int | None = None
) -> Fault:
    """A fault of a sample, with its id where it has one."""
    image_id = sample.get("image_id") if isinstance(sample, Mapping) else None
    if not is_integer(image_id):
        return Fault(index, None, kind, reason, box)
    return Fault(index, int(image_id), kind, reason, box)


def dataset_fault(kind: FaultKind, reason: str) -> Fault:
    """A fault of the data set as a whole."""
    return Fault(None, None, kind, reason)


def shown(value: Any, limit: int = 60) -> str:
    """A value for a message, cut to a readable length."""
    # A huge integer has no decimal form, and a value of one's own may have no working repr.
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."
