"""The words of a sample as the label page has them, and back."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from deepocr_jax.data.checked import CHECKED, EDITED
from deepocr_jax.data.keys import BOX_KEYS_2, SAMPLE_KEYS, is_integer, is_number
from deepocr_jax.errors import DatasetError
from deepocr_jax.geometry.boxes import normalize_phi

CONFIDENCE = "confidence"
"""Key of a word's custom data (form A) or of a crop's sample (form B), beside `CHECKED`."""

MAX_WORDS, MAX_CHARACTERS = 20_000, 1000
_FIELDS = {"text", "checked", "box", "label_id", "custom", "others"}
# Lists beside the boxes that a word carries along unread, such as coco_raw_annotations.
_OTHERS = tuple(
    name
    for name, key in SAMPLE_KEYS.items()
    if key.group == "boxes" and name not in (*BOX_KEYS_2, "bbox_label_id", "label_custom_data")
)


@dataclass(frozen=True)
class Word:
    """A word and what the dataset says of it.

    Attributes:
        text: What it says.
        checked: Whether a person has confirmed it.
        box: Row, col, phi, length1, length2; None where the image is the crop of the word.
        label_id: Id of its class, where the sample names classes.
        custom: Further custom data of the label, such as the confidence it was read with.
        others: Values of further lists beside the boxes, by their keys.
    """

    text: str
    checked: bool = False
    box: tuple[float, ...] | None = None
    label_id: int | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """Confidence that it was read with; 0 where that is unknown."""
        value = self.custom.get(CONFIDENCE)
        return float(value) if is_number(value) else 0.0


def is_crop(sample: Mapping[str, Any]) -> bool:
    """Whether a sample is the crop of one word (form B)."""
    return "word" in sample


def sample_to_words(sample: Mapping[str, Any], text_ids: Collection[int]) -> list[Word]:
    """The words of a sample, without boxes of other classes.

    Args:
        sample: Of form A or B, with sound keys.
        text_ids: Ids of the classes whose boxes hold words.
    """
    if is_crop(sample):
        custom = {CONFIDENCE: sample[CONFIDENCE]} if CONFIDENCE in sample else {}
        return [Word(sample["word"], bool(sample.get(CHECKED)), custom=custom)]
    return [_word(sample, k) for k in range(_count(sample)) if _is_text(sample, k, text_ids)]


def words_to_sample(
    sample: Mapping[str, Any], words: Sequence[Word], text_ids: Collection[int], word_id: int
) -> dict[str, Any]:
    """A sample with other words; its boxes of other classes stay, behind them.

    Args:
        sample: The sample before.
        words: All its words.
        text_ids: Ids of the classes whose boxes hold words.
        word_id: Id of the class of words that have none.
    """
    result = {**sample, EDITED: True}
    if is_crop(sample):
        return {**result, "word": words[0].text, CHECKED: words[0].checked}
    kept = [k for k in range(_count(sample)) if not _is_text(sample, k, text_ids)]
    boxes = [word.box for word in words]
    for i, name in enumerate(BOX_KEYS_2):
        result[name] = [box[i] for box in boxes if box] + [sample[name][k] for k in kept]
    if "bbox_label_id" in sample:
        ids = [word_id if word.label_id is None else word.label_id for word in words]
        result["bbox_label_id"] = ids + [sample["bbox_label_id"][k] for k in kept]
    custom = [{**word.custom, "text": word.text, CHECKED: word.checked} for word in words]
    before = sample.get("label_custom_data")
    result["label_custom_data"] = custom + [before[k] if before else {} for k in kept]
    for name in _OTHERS:
        if name in sample:
            values = [word.others.get(name, {}) for word in words]
            result[name] = values + [sample[name][k] for k in kept]
    return result


def _count(sample: Mapping[str, Any]) -> int:
    return len(sample["bbox_row"])


def _is_text(sample: Mapping[str, Any], k: int, text_ids: Collection[int]) -> bool:
    ids = sample.get("bbox_label_id")
    return ids is None or ids[k] in text_ids


def _word(sample: Mapping[str, Any], k: int) -> Word:
    custom = dict(sample["label_custom_data"][k]) if "label_custom_data" in sample else {}
    text, checked = custom.pop("text", ""), custom.pop(CHECKED, False)
    return Word(
        text if isinstance(text, str) else str(text),
        bool(checked),
        tuple(float(sample[name][k]) for name in BOX_KEYS_2),
        int(sample["bbox_label_id"][k]) if "bbox_label_id" in sample else None,
        custom,
        {name: sample[name][k] for name in _OTHERS if name in sample},
    )


# --- JSON of the page ---------------------------------------------------------------------------


def word_to_json(word: Word) -> dict[str, Any]:
    """A word as the page has it."""
    return {**asdict(word), "box": word.box and list(word.box)}


def words_from_json(
    values: Any, before: Sequence[Word], size: tuple[int, int], text_ids: Collection[int]
) -> list[Word]:
    """The words that the page sends.

    Args:
        values: What came, any JSON value.
        before: The words of the sample as they are; their boxes are taken as they stand.
        size: (height, width) of the image, in which the centres of other boxes must lie.
        text_ids: Ids of the classes whose boxes hold words.

    Raises:
        DatasetError: It is no list of words, or the words do not fit the sample.
    """
    crop = len(before) == 1 and before[0].box is None
    if not isinstance(values, list) or len(values) > MAX_WORDS or (crop and len(values) != 1):
        wanted = "one word" if crop else f"a list of at most {MAX_WORDS} words"
        raise DatasetError(f"Expected {wanted}, got {_shown(values)}.")
    known = {word.box for word in before}
    return [_word_from_json(value, crop, known, size, text_ids) for value in values]


def _word_from_json(
    value: Any, crop: bool, known: Collection[Any], size: tuple[int, int], text_ids: Collection[int]
) -> Word:
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise DatasetError(f"Expected a word with {sorted(_FIELDS)}, got {_shown(value)}.")
    text, label_id = value["text"], value["label_id"]
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or not _is_plain(text):
        raise DatasetError(
            f"Expected a text of one line with at most {MAX_CHARACTERS} characters, got "
            f"{_shown(text)}."
        )
    if not isinstance(value["checked"], bool):
        raise DatasetError(f"Expected checked to be true or false, got {_shown(value['checked'])}.")
    if label_id is not None and (not is_integer(label_id) or label_id not in text_ids):
        raise DatasetError(
            f"Expected the id of a class of words {sorted(text_ids)}, got {_shown(label_id)}."
        )
    for name in ("custom", "others"):
        if not isinstance(value[name], dict):
            raise DatasetError(f"Expected {name} to be a dictionary, got {_shown(value[name])}.")
    box = None if crop and value["box"] is None else _box(value["box"], known, size)
    if (box is None) != crop:
        raise DatasetError("Expected no box, as the image is the crop of one word; got one.")
    return Word(text, value["checked"], box, label_id, value["custom"], value["others"])


def _box(values: Any, known: Collection[Any], size: tuple[int, int]) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) != 5 or not all(map(is_number, values)):
        raise DatasetError(f"Expected a box of five numbers, got {_shown(values)}.")
    box = tuple(float(value) for value in values)
    if box in known:
        return box
    row, col, phi, length1, length2 = box
    inside = -0.5 <= row <= size[0] - 0.5 and -0.5 <= col <= size[1] - 0.5
    longest = 2 * math.hypot(*size)
    if not all(map(math.isfinite, box)) or not inside:
        raise DatasetError(
            f"Expected a box whose centre lies in the image of {size[1]} x {size[0]} pixels "
            f"(width x height), got {_shown(values)}."
        )
    if not (0 < length1 <= longest and 0 < length2 <= longest):
        raise DatasetError(f"Expected half lengths in (0, {longest:g}], got {length1}, {length2}.")
    return row, col, float(normalize_phi(np.array(phi))), length1, length2


def _is_plain(text: str) -> bool:
    """Whether a text is one line that every file can hold."""
    return not any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in text)


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."
