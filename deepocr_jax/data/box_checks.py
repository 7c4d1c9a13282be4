"""Faults of boxes and of the words in them."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any

from deepocr_jax.data.classes import NOT_TO_BE_READ
from deepocr_jax.data.fault_kinds import Fault, FaultKind, sample_fault, shown
from deepocr_jax.data.keys import (
    BOX_KEYS_1,
    BOX_KEYS_2,
    SAMPLE_KEYS,
    Method,
    as_real,
    is_number,
    usable,
)
from deepocr_jax.data.word_checks import FRAME_STEP, frames_of, scaled_width, word_problems
from deepocr_jax.data.word_crops import box_crop_size


@dataclass(frozen=True)
class LabelRules:
    """What the labels of a data set are measured by.

    Attributes:
        method: what the data set is labelled for.
        classes: names of its classes by their ids.
        text_ids: those whose boxes hold words.
        alphabet: characters that the model knows; None: not checked.
        image_width: widest canvas of the model in pixels; None: lengths are not checked.
    """

    method: Method | None
    classes: Mapping[int, str]
    text_ids: Collection[int]
    alphabet: Container[str] | None
    image_width: int | None

    def frames(self, size: tuple[int, int] | None) -> int | None:
        """Frames for a crop of (height, width); without its size the most that there can be."""
        if self.image_width is None:
            return None
        if size is None:
            return self.image_width // FRAME_STEP
        return frames_of(scaled_width(*size, self.image_width), self.image_width)


def label_faults(
    index: int, sample: Mapping[str, Any], size: tuple[int, int] | None, rules: LabelRules
) -> list[Fault]:
    """Faults of the boxes and words of a sample whose keys are sound.

    Args:
        index: index of the sample.
        sample: the sample.
        size: (height, width) of its image, where known.
        rules: what it is measured by.
    """
    boxes = {k: usable(sample, SAMPLE_KEYS, k) for k in (*BOX_KEYS_1, *BOX_KEYS_2)}
    numbers = {k: v for k, v in boxes.items() if v is not None}
    scalar = any(is_number(v) for v in numbers.values())
    faults: list[Fault] = []
    count = 1 if scalar else max((len(v) for v in numbers.values()), default=0)
    sizes: list[tuple[int, int] | None] = [None] * count
    for k in range(count):
        box = {name: as_real(v if scalar else v[k]) for name, v in numbers.items()}
        problem = _box_problem(box, size)
        if problem is not None:
            faults.append(sample_fault(index, sample, *problem, box=None if scalar else k))
        elif "bbox_length1" in box and "bbox_length2" in box:
            sizes[k] = box_crop_size(box["bbox_length1"], box["bbox_length2"])
    if not scalar:
        faults += _class_faults(index, sample, rules)
    if rules.method != "ocr_recognition":
        return faults
    word = usable(sample, SAMPLE_KEYS, "word")
    if word is not None:
        crop = sizes[0] if scalar else size
        faults += [
            sample_fault(index, sample, kind, reason)
            for kind, reason in word_problems(word, rules.alphabet, rules.frames(crop))
        ]
    elif not scalar:
        faults += _text_faults(index, sample, sizes, rules)
    return faults


def _box_problem(
    box: Mapping[str, float], size: tuple[int, int] | None
) -> tuple[FaultKind, str] | None:
    """What is wrong with one box, {key: value}; the first thing is enough."""
    for name, value in box.items():
        if not math.isfinite(value):
            return "not_finite", f"Expected a finite number as {name}, got {value}."
    text = ", ".join(f"{name.removeprefix('bbox_')} {value:g}" for name, value in box.items())
    if "bbox_row1" in box and {*BOX_KEYS_1} <= box.keys():
        # Both ends are pixels of the box, so equal ends are a box of one pixel.
        if box["bbox_row2"] < box["bbox_row1"] or box["bbox_col2"] < box["bbox_col1"]:
            return "no_area", f"The box has its end before its start: {text}."
        row = box["bbox_row1"] / 2 + box["bbox_row2"] / 2
        col = box["bbox_col1"] / 2 + box["bbox_col2"] / 2
    elif {*BOX_KEYS_2} <= box.keys():
        if box["bbox_length1"] <= 0 or box["bbox_length2"] <= 0:
            return "no_area", f"Expected positive lengths of the box, got {text}."
        row, col = box["bbox_row"], box["bbox_col"]
    else:
        return None
    # Scene text is often cut by the border. With its centre outside, at least half of it is lost.
    inside = size is None or (-0.5 <= row <= size[0] - 0.5 and -0.5 <= col <= size[1] - 0.5)
    if not inside and size is not None:
        return (
            "outside_image",
            f"The centre of the box lies outside of the image of {size[1]} x {size[0]} pixels "
            f"(width x height): {text}.",
        )
    return None


def _class_faults(index: int, sample: Mapping[str, Any], rules: LabelRules) -> list[Fault]:
    """Boxes of a class that the data set does not have."""
    ids = usable(sample, SAMPLE_KEYS, "bbox_label_id")
    reason = "bbox_label_id {} is not among the class_ids {}."
    return [
        sample_fault(
            index,
            sample,
            "unknown_class",
            reason.format(shown(i), shown(sorted(rules.classes))),
            box=k,
        )
        for k, i in enumerate(() if ids is None else ids)
        if i not in rules.classes
    ]


def _text_faults(
    index: int,
    sample: Mapping[str, Any],
    sizes: list[tuple[int, int] | None],
    rules: LabelRules,
) -> list[Fault]:
    """Faults of the words that stand beside the boxes of a whole image (form A)."""
    ids = usable(sample, SAMPLE_KEYS, "bbox_label_id")
    custom = usable(sample, SAMPLE_KEYS, "label_custom_data")
    faults: list[Fault] = []
    for k, entry in enumerate(() if custom is None else custom):
        if ids is not None and ids[k] not in rules.text_ids:
            continue
        text = entry.get("text", "")
        if not isinstance(text, str):
            reason = f"Expected the text of the box to be a string, got {shown(text)}."
            faults.append(sample_fault(index, sample, "wrong_type", reason, box=k))
        elif text.strip() != NOT_TO_BE_READ:
            faults += [
                sample_fault(index, sample, kind, reason, box=k)
                for kind, reason in word_problems(text, rules.alphabet, rules.frames(sizes[k]))
            ]
    return faults
