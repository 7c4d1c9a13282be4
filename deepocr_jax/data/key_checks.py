"""Faults that show in the keys of a data set and its samples alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from deepocr_jax.data.classes import class_names_by_id, text_class_ids
from deepocr_jax.data.fault_kinds import Fault, FaultKind, dataset_fault, sample_fault, shown
from deepocr_jax.data.keys import (
    BOX_KEYS_1,
    BOX_KEYS_2,
    DATASET_KEYS,
    MAX_CLASS_ID,
    MAX_IMAGE_ID,
    SAMPLE_KEYS,
    SPLITS,
    Key,
    Method,
    has_kind,
    is_integer,
    is_list,
    is_number,
    samples_of,
    usable,
)

Problem = tuple[FaultKind, str]


def dataset_faults(
    dataset: Mapping[str, Any], method: Method | None, required_splits: Sequence[str]
) -> list[Fault]:
    """Faults of the data set as a whole; see `find_faults`."""
    problems = [*_keys(dataset, DATASET_KEYS, method), *_classes(dataset, method)]
    samples = samples_of(dataset)
    if not samples:
        problems.append(("no_samples", "Expected at least one sample, got none."))
    problems += _splits(samples, required_splits)
    return [dataset_fault(kind, reason) for kind, reason in problems]


def key_faults(
    index: int, sample: Mapping[str, Any], method: Method | None, classes: Mapping[int, str]
) -> list[Fault]:
    """Faults of one sample that its keys alone show."""
    problems = [*_keys(sample, SAMPLE_KEYS, method)]
    if method == "ocr_recognition" and "word" not in sample:
        missing = any(k not in sample for k in (*BOX_KEYS_2, "label_custom_data"))
        # One box in plain numbers is already cut out: its text is the sample's word.
        if missing or any(is_number(sample[k]) for k in BOX_KEYS_2):
            problems.append(
                ("missing_key", "Expected the key 'word', or boxes with label_custom_data.")
            )
    for names in (BOX_KEYS_1, BOX_KEYS_2):
        have = [name for name in names if name in sample]
        # Where the method requires them, they have been reported above.
        if have and len(have) < len(names) and not _requires(names[0], method):
            lacking = ", ".join(name for name in names if name not in sample)
            problems.append(("missing_key", f"The boxes lack {lacking}."))
    problems += [*_id(sample), *_split(sample), *_labels(sample, classes)]
    return [sample_fault(index, sample, kind, reason) for kind, reason in problems]


def doubled_ids(samples: Sequence[Any], faulty: Collection[int]) -> list[Fault]:
    """Samples whose id another one has; of each id one stays, the first that is not `faulty`."""
    by_id: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        if isinstance(sample, Mapping) and is_integer(sample.get("image_id")):
            by_id.setdefault(int(sample["image_id"]), []).append(index)
    faults = []
    for image_id, indices in by_id.items():
        if len(indices) == 1:
            continue
        keeper = next((i for i in indices if i not in faulty), indices[0])
        faults += [
            sample_fault(
                index,
                samples[index],
                "doubled_id",
                f"The image_id {shown(image_id)} is also that of sample {keeper}; ids are unique.",
            )
            for index in indices
            if index != keeper
        ]
    return faults


def _requires(name: str, method: Method | None) -> bool:
    return method is not None and method in SAMPLE_KEYS[name].required


def _keys(
    entry: Mapping[str, Any], table: Mapping[str, Key], method: Method | None
) -> Iterable[Problem]:
    """Missing keys, wrong types, and lists of one group that are not equally long."""
    lengths: dict[str, dict[str, int]] = {"classes": {}, "boxes": {}}
    scalar = any(is_number(entry.get(name)) for name in BOX_KEYS_2)
    for name, key in table.items():
        if name not in entry:
            if method is not None and method in key.required:
                yield "missing_key", f"Expected the key {name!r}, which is missing."
            continue
        value = entry[name]
        if name == "image_dir" and isinstance(value, str) and not value:
            yield "missing_key", "Expected image_dir to name a folder, but it is empty."
        if not has_kind(value, key.kind):
            # Samples that are no dictionaries are reported one by one.
            if name == "samples" and is_list(value):
                continue
            yield "wrong_type", f"Expected {name} to be {key.kind}, got {shown(value)}."
        elif key.group == "boxes" and scalar:
            if is_list(value) and name in BOX_KEYS_2:
                yield "unequal_lengths", f"{name} is a list, but other keys of the box are numbers."
        elif key.group is not None:
            lengths[key.group][name] = len(value)
    for counted in lengths.values():
        if len(set(counted.values())) > 1:
            text = ", ".join(f"{name} {length}" for name, length in counted.items())
            yield "unequal_lengths", f"Expected lists of equal length, got {text}."


def _classes(dataset: Mapping[str, Any], method: Method | None) -> Iterable[Problem]:
    """Class ids out of range, doubled ids and names, and a missing class of words."""
    for name in ("class_ids", "class_names"):
        values = [*(usable(dataset, DATASET_KEYS, name) or ())] if name in dataset else []
        doubled = [value for value, count in Counter(values).items() if count > 1]
        if doubled:
            yield "bad_class", f"{name} has {shown(doubled[:5])} more than once."
        if name == "class_ids":
            out = [v for v in values if not 0 <= v <= MAX_CLASS_ID]
            if out:
                yield "bad_class", f"Expected class_ids in 0..{MAX_CLASS_ID}, got {shown(out[:5])}."
    labelled = any(isinstance(s, Mapping) and "bbox_label_id" in s for s in samples_of(dataset))
    if method not in ("ocr_recognition", "ocr_detection"):
        return
    if labelled and not text_class_ids(dataset):
        names = shown(list(class_names_by_id(dataset).values()))
        yield (
            "no_word_class",
            f"Expected a class 'word' (or with is_text_class), got {names}.",
        )


def _splits(samples: Sequence[Any], required: Sequence[str]) -> Iterable[Problem]:
    """Splits that no sample belongs to, and samples left out when the others were assigned."""
    found = [s.get("split") for s in samples if isinstance(s, Mapping)]
    assigned = {value for value in found if isinstance(value, str)}
    if not assigned or not required:
        return
    for name in required:
        if name not in assigned:
            yield "empty_split", f"No sample has the split {name!r}; split the dataset anew."
    without = sum(value is None for value in found)
    if without:
        yield (
            "missing_split",
            f"{without} of {len(found)} samples have no split while others have one; "
            "call split_dl_dataset, which assigns the rest.",
        )


def _id(sample: Mapping[str, Any]) -> Iterable[Problem]:
    image_id = usable(sample, SAMPLE_KEYS, "image_id")
    if image_id is not None and not 0 <= image_id <= MAX_IMAGE_ID:
        yield "bad_id", f"Expected an image_id in 0..2**63 - 1, got {shown(image_id)}."


def _split(sample: Mapping[str, Any]) -> Iterable[Problem]:
    split = usable(sample, SAMPLE_KEYS, "split")
    if split is not None and split not in SPLITS:
        yield "unknown_split", f"Expected the split to be one of {SPLITS}, got {shown(split)}."


def _labels(sample: Mapping[str, Any], classes: Mapping[int, str]) -> Iterable[Problem]:
    """Classes of the image that the data set does not have; those of boxes come elsewhere."""
    label = usable(sample, SAMPLE_KEYS, "anomaly_label")
    if label is not None and label not in classes.values():
        yield "unknown_class", f"anomaly_label {shown(label)} is not among the class_names."
    unknown = [
        i for i in (*(usable(sample, SAMPLE_KEYS, "image_label_id") or ()),) if i not in classes
    ]
    if unknown:
        yield "unknown_class", f"image_label_id {shown(unknown[:5])} is not among the class_ids."
