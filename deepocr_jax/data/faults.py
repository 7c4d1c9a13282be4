"""What is wrong with a data set, found before training begins: all of it, sample by sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from deepocr_jax.data.box_checks import LabelRules, label_faults
from deepocr_jax.data.classes import class_names_by_id, text_class_ids
from deepocr_jax.data.fault_kinds import Fault, FaultKind, dataset_fault, sample_fault, shown
from deepocr_jax.data.image_checks import Size, check_files, is_folder, named_files
from deepocr_jax.data.key_checks import dataset_faults, doubled_ids, key_faults
from deepocr_jax.data.keys import SAMPLE_KEYS, SPLITS, Method, is_list, method_of, samples_of
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset, Split

__all__ = ["Fault", "FaultKind", "drop_faulty", "find_faults", "report"]

# With one of these, the lists of boxes do not fit together.
_BROKEN = ("wrong_type", "missing_key", "unequal_lengths")


def find_faults(
    dataset: DLDataset,
    *,
    method: Method | None = None,
    alphabet: Sequence[str] | None = None,
    image_width: int | None = None,
    check_images: bool = True,
    required_splits: Sequence[Split] = SPLITS,
) -> list[Fault]:
    """Finds everything that would stop or spoil a training; never raises for what it finds.

    Each image file is decoded once, however many samples are cut from it.

    Args:
        dataset: the data set, whatever is in it.
        method: what it is labelled for; None: told from its keys. Texts are checked for
            "ocr_recognition" only: text detection needs none.
        alphabet: characters that the model knows; None: words may have any.
        image_width: widest canvas of the recognizer in pixels; None: words may be of any length.
        check_images: whether the files are opened; False looks at their paths alone.
        required_splits: splits that must have samples, as soon as any sample has a split.

    Returns:
        The faults: those of the data set as a whole first, then by sample.
    """
    if not isinstance(dataset, Mapping):
        return [dataset_fault("wrong_type", f"Expected a dictionary, got {shown(dataset)}.")]
    method = method or method_of(dataset)
    whole = dataset_faults(dataset, method, required_splits)
    samples = samples_of(dataset)
    classes = class_names_by_id(dataset)
    known = None if alphabet is None else frozenset(alphabet)
    rules = LabelRules(method, classes, text_class_ids(dataset), known, image_width)
    faults, broken = _all_key_faults(samples, rules)
    file_faults, sizes = _all_file_faults(dataset, samples, check_images)
    faults += file_faults
    for index, sample in enumerate(samples):
        if isinstance(sample, Mapping) and index not in broken:
            faults += label_faults(index, sample, sizes.get(index), rules)
    faulty = {fault.index for fault in faults if fault.index is not None and fault.box is None}
    faults += doubled_ids(samples, faulty)
    faults.sort(
        key=lambda fault: (
            -1 if fault.index is None else fault.index,
            -1 if fault.box is None else fault.box,
        )
    )
    return whole + faults


def _all_key_faults(samples: Sequence[Any], rules: LabelRules) -> tuple[list[Fault], set[int]]:
    """Faults of the keys of all samples, and the samples whose boxes cannot be looked at."""
    faults: list[Fault] = []
    broken: set[int] = set()
    for index, sample in enumerate(samples):
        if not isinstance(sample, Mapping):
            reason = f"Expected the sample to be a dictionary, got {shown(sample)}."
            faults.append(sample_fault(index, sample, "wrong_type", reason))
            continue
        found = key_faults(index, sample, rules.method, rules.classes)
        faults += found
        if any(fault.kind in _BROKEN for fault in found):
            broken.add(index)
    return faults, broken


def _all_file_faults(
    dataset: Mapping[str, Any], samples: Sequence[Any], check_images: bool
) -> tuple[list[Fault], dict[int, Size]]:
    """Faults of the files of all samples, and the (height, width) of each sample's image."""
    wanted = [
        (index, key, (folder, name, key == "image_file_name"))
        for index, sample in enumerate(samples)
        if isinstance(sample, Mapping)
        for key, folder, name in named_files(dataset, sample)
    ]
    faults: list[Fault] = []
    if check_images:
        # One fault instead of as many as there are samples.
        folders = dict.fromkeys(folder for _, _, (folder, _, _) in wanted)
        absent = [folder for folder in folders if not is_folder(folder)]
        faults += [
            dataset_fault("missing_file", f"There is no folder {shown(folder, 200)}.")
            for folder in absent
        ]
        wanted = [entry for entry in wanted if entry[2][0] not in absent]
    looked = check_files((file for _, _, file in wanted), check_images)
    sizes: dict[int, Size] = {}
    for index, key, file in wanted:
        result = looked[file]
        if result is None:
            continue
        first, second = result
        if isinstance(first, int) and isinstance(second, int):
            sizes[index] = first, second
        else:
            reason = f"{key}: {second}"
            faults.append(sample_fault(index, samples[index], cast(FaultKind, first), reason))
    return faults, sizes


def stop_or_drop(
    dataset: DLDataset, faults: Sequence[Fault], on_faults: str, name: str
) -> DLDataset:
    """The dataset without what is at fault, as scripts want it before they train.

    Args:
        dataset: The data set in which the faults were found.
        faults: From `find_faults`; none: the data set stays as it is.
        on_faults: "stop" raises; "drop" prints what is left out.
        name: What messages call the data set.

    Raises:
        DatasetError: There are faults and `on_faults` is "stop", or they cannot be dropped.
    """
    if not faults:
        return dataset
    text = report(faults)
    if on_faults == "stop":
        raise DatasetError(
            f"{name}:\n{text}\nMend them, or leave them out with on_faults=drop", tuple(faults)
        )
    print(f"left out:\n{text}")
    return drop_faulty(dataset, faults)


def drop_faulty(dataset: DLDataset, faults: Iterable[Fault]) -> DLDataset:
    """A new data set without what is at fault.

    Where only some boxes of a sample are at fault, the sample stays without these boxes; it goes
    when no box is left. A split may have lost its last sample, so check again.

    Args:
        dataset: the data set in which the faults were found; it is not changed.
        faults: what to drop, mostly from `find_faults`.

    Raises:
        DatasetError: a fault concerns the data set as a whole, or no sample is left.
    """
    faults = list(faults)
    whole = [fault for fault in faults if fault.index is None]
    if whole:
        raise DatasetError(
            f"These faults cannot be dropped, as they concern the whole dataset:\n{report(whole)}\n"
            "Correct the dataset first.",
            whole,
        )
    gone = {fault.index for fault in faults if fault.box is None}
    boxes: dict[int, set[int]] = {}
    for fault in faults:
        if fault.index is not None and fault.box is not None:
            boxes.setdefault(fault.index, set()).add(fault.box)
    samples = samples_of(dataset)
    kept = [
        _without_boxes(sample, boxes[index]) if index in boxes else dict(sample)
        for index, sample in enumerate(samples)
        if index not in gone
    ]
    kept = [sample for sample in kept if sample is not None]
    if not kept:
        raise DatasetError(
            f"All {len(samples)} samples are at fault:\n{report(faults)}\nCorrect some first.",
            faults,
        )
    return cast(DLDataset, {**dataset, "samples": kept})


def _without_boxes(sample: Mapping[str, Any], dropped: set[int]) -> dict[str, Any] | None:
    """The sample without some boxes; None when no box is left."""
    result = dict(sample)
    left = 0
    for name, key in SAMPLE_KEYS.items():
        if key.group == "boxes" and is_list(sample.get(name)):
            result[name] = [v for k, v in enumerate(sample[name]) if k not in dropped]
            left = len(result[name])
    return result if left else None


def report(faults: Sequence[Fault], limit: int = 20) -> str:
    """The faults as text for people: how many of each kind, then the first `limit` of them."""
    if not faults:
        return "No faults."
    counts = Counter(fault.kind for fault in faults)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    lines = [f"{len(faults)} fault{'s' if len(faults) > 1 else ''}: {kinds}"]
    for fault in faults[: max(0, limit)]:
        place = "dataset" if fault.index is None else f"sample {fault.index}"
        if fault.image_id is not None:
            place += f" (image_id {shown(fault.image_id)})"
        if fault.box is not None:
            place += f", box {fault.box}"
        lines.append(f"  {place}: {fault.kind}: {fault.reason}")
    if len(faults) > limit:
        lines.append(f"  and {len(faults) - max(0, limit)} more")
    return "\n".join(lines)
