"""What was read in images as the samples of a dataset, to be corrected by a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from deepocr_jax.data.checked import CHECKED, EDITED
from deepocr_jax.data.classes import WORD, WORD_CLASS
from deepocr_jax.data.keys import BOX_KEYS_2, is_number
from deepocr_jax.labelling.words import CONFIDENCE, is_crop
from deepocr_jax.types import DeepOCRResult

FORMS = ("images", "crops")
_BOX_DIGITS = dict(zip(BOX_KEYS_2, (3, 3, 6, 3, 3), strict=True))
_CONFIDENCE_DIGITS = 6
_KEPT_KEYS = ("image_id", "split")


def result_to_sample(
    result: DeepOCRResult, name: str, form: str, min_confidence: float = 0.0
) -> dict[str, Any]:
    """What was read in one image as a sample, still without an id.

    Args:
        result: Of mode "auto" for the form "images", of mode "recognition" for "crops".
        name: File name of the image, relative to the dataset's folder of images.
        form: "images": boxes with texts (form A); "crops": one word (form B).
        min_confidence: Words read with less are left out; the crop of such a word has no text.
    """
    values = cast(Mapping[str, Any], result)
    sample: dict[str, Any] = {"image_file_name": name}
    if form == "crops":
        confidence = float(values["confidence"])
        word = values["word"].strip() if confidence >= min_confidence else ""
        return {**sample, "word": word, CONFIDENCE: round(confidence, _CONFIDENCE_DIGITS)}
    words = values["words"]
    kept = [k for k, c in enumerate(words["confidence"]) if c >= min_confidence]
    sample["bbox_label_id"] = [WORD] * len(kept)
    for key, digits in _BOX_DIGITS.items():
        column = words[key.removeprefix("bbox_")]
        sample[key] = [round(float(column[k]), digits) for k in kept]
    sample["label_custom_data"] = [
        {
            "text": words["word"][k],
            CONFIDENCE: round(float(words["confidence"][k]), _CONFIDENCE_DIGITS),
        }
        for k in kept
    ]
    return sample


def is_by_hand(sample: Mapping[str, Any]) -> bool:
    """Whether a person has worked on a sample, as far as it tells: then nothing may replace it.

    Only what `result_to_sample` made, and nobody has touched since, is none.
    """
    if sample.get(EDITED) or sample.get(CHECKED):
        return True
    labels = [sample] if is_crop(sample) else sample.get("label_custom_data", [{}])
    return any(not is_number(label.get(CONFIDENCE)) or label.get(CHECKED) for label in labels)


def numbered(
    kept: Iterable[Any], new: Iterable[dict[str, Any]], before: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """Samples in the order of their file names, with ids.

    Args:
        kept: Samples that stay.
        new: Samples without ids.
        before: All samples before; those of `new` that replace one take its id and its split.
    """
    replaced = {s["image_file_name"]: {k: s[k] for k in _KEPT_KEYS if k in s} for s in before}
    first = max((sample["image_id"] for sample in before), default=0) + 1
    fresh = [
        {"image_id": first + i, **replaced.get(sample["image_file_name"], {}), **sample}
        for i, sample in enumerate(new)
    ]
    return sorted([*kept, *fresh], key=lambda sample: sample["image_file_name"])


def empty_dataset(image_dir: str, form: str) -> dict[str, Any]:
    """A dataset of that form without samples."""
    classes = {"class_ids": [WORD], "class_names": [WORD_CLASS]} if form == "images" else {}
    return {"image_dir": image_dir, **classes, "samples": []}
