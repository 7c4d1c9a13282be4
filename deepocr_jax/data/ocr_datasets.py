"""Data sets of text: whole images with labelled words (form A), and crops of words (form B)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from deepocr_jax.data.checked import keep_checked_images, keep_checked_words
from deepocr_jax.data.classes import (
    CHAR,
    IGNORE,
    NOT_TO_BE_READ,
    WORD,
    class_names_by_id,
    text_class_ids,
)
from deepocr_jax.data.dataset_files import read_dl_dataset
from deepocr_jax.data.fault_kinds import Fault
from deepocr_jax.data.faults import find_faults, report
from deepocr_jax.data.keys import BOX_KEYS_2, SAMPLE_KEYS, as_real, samples_of, usable
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset, DLDatasetSample

Source = str | os.PathLike[str] | DLDataset

_STRUCTURE = ("wrong_type", "missing_key", "unequal_lengths", "unknown_class")
_CLASS_BY_NAME = {"word": WORD, "char": CHAR, "character": CHAR, "ignore": IGNORE}


def read_dl_dataset_ocr_recognition(
    file: Source, image_dir: str | os.PathLike[str] | None = None, checked_only: bool = False
) -> DLDataset:
    """Reads a data set for recognition: one sample a word.

    A sample that has a `word` (form B) stays as it is. A whole image (form A) gives one sample for
    each box of the class "word", or of a class with `is_text_class`: its `image_file_name` and
    `split`, the five keys of the box as plain numbers, its `word`, and a fresh `image_id`. Nothing
    is cut out yet. Texts that are empty or "###" are skipped; boxes of other classes, too. Samples
    without `bbox_label_id` have boxes of words only.

    Args:
        file: a JSON file, or a data set.
        image_dir: folder of the images; None: the one that the data set names.
        checked_only: whether only words that a person has marked as checked are wanted.

    Returns:
        A new data set. Words are not checked: see `find_faults`.

    Raises:
        DatasetError: the file cannot be read, no class holds words, the labels of a sample do not
            fit together (with `.faults`, which `drop_faulty` takes), or there are no such
            words at all.
    """
    dataset = _read(file, image_dir)
    return _to_words(keep_checked_words(dataset) if checked_only else dataset)


def read_dl_dataset_ocr_detection(
    file: Source, image_dir: str | os.PathLike[str] | None = None, checked_only: bool = False
) -> tuple[DLDataset, list[Fault]]:
    """Reads a data set of whole images for text detection.

    Its classes become "word" 0, "char" 1 and "ignore" 2, by their names; a class with
    `is_text_class` is "word", any other one "ignore". Samples without `bbox_label_id` have boxes
    of words only. The images are not opened: see `find_faults`.

    Args:
        file: a JSON file, or a data set.
        image_dir: folder of the images; None: the one that the data set names.
        checked_only: whether only images are wanted whose words are all marked as checked.

    Returns:
        A new data set with all these samples, and the faults of the invalid ones (`.index` and
        `.box` count as in that data set), which `drop_faulty` takes.

    Raises:
        DatasetError: the file cannot be read, the data set as a whole is at fault, or no image is
            checked where that is wanted.
    """
    source = _read(file, image_dir)
    source = keep_checked_images(source) if checked_only else source
    # Without boxes labelled by class, the classes themselves are of no interest.
    labelled = any(isinstance(s, Mapping) and "bbox_label_id" in s for s in samples_of(source))
    checked = source if labelled else cast(DLDataset, {**source, **_CLASSES})
    faults = find_faults(checked, method="ocr_detection", check_images=False, required_splits=())
    _stop_at_whole(faults)
    text_ids = text_class_ids(source)
    new_ids = {
        i: WORD if i in text_ids else _CLASS_BY_NAME.get(name.lower(), IGNORE)
        for i, name in class_names_by_id(source).items()
    }
    samples = [_relabelled(sample, new_ids) for sample in samples_of(source)]
    result = {k: v for k, v in source.items() if k != "class_custom_data"}
    return cast(DLDataset, {**result, **_CLASSES, "samples": samples}), faults


_CLASSES = {"class_names": ["word", "char", "ignore"], "class_ids": [WORD, CHAR, IGNORE]}


def convert_dl_dataset_ocr_detection_to_recognition(dataset: DLDataset) -> DLDataset:
    """A data set of whole images with the texts of their words -> recognition samples.

    Args:
        dataset: a data set as `read_dl_dataset_ocr_detection` gives it; it is not changed.

    Returns:
        A new data set as `read_dl_dataset_ocr_recognition` gives it.

    Raises:
        DatasetError: as there.
    """
    return _to_words(_read(dataset, None))


def _read(file: Source, image_dir: str | os.PathLike[str] | None) -> DLDataset:
    """The data set of a file, or the one given; with its folder of images."""
    if isinstance(file, str | os.PathLike):
        dataset = read_dl_dataset(file)
    elif isinstance(file, Mapping) and samples_of(file):
        dataset = cast(DLDataset, dict(file))
    else:
        raise DatasetError(
            "Expected the path of a JSON file, or a dataset with at least one sample, got "
            f"{type(file).__name__}."
        )
    if image_dir is not None:
        dataset["image_dir"] = os.path.abspath(image_dir)
    if not isinstance(dataset.get("image_dir"), str) or not dataset.get("image_dir"):
        raise DatasetError(
            "The dataset does not name the folder of its images; give image_dir=, or add it."
        )
    return dataset


def _stop_at_whole(faults: Sequence[Fault]) -> None:
    whole = [fault for fault in faults if fault.index is None]
    if whole:
        raise DatasetError(f"The dataset cannot be used:\n{report(whole)}\nCorrect it.", whole)


def _to_words(dataset: DLDataset) -> DLDataset:
    """See `read_dl_dataset_ocr_recognition`."""
    samples = samples_of(dataset)
    whole_images = [isinstance(s, Mapping) and _is_whole_image(s) for s in samples]
    if not any(whole_images):
        return cast(DLDataset, {**dataset, "samples": [_copy(s) for s in samples]})
    _check_whole_images(dataset)
    text_ids = text_class_ids(dataset)
    crops = [s for s, whole in zip(samples, whole_images, strict=True) if not whole]
    next_id = max((s["image_id"] for s in crops if "image_id" in s), default=0) + 1
    result: list[DLDatasetSample] = []
    for sample, whole in zip(samples, whole_images, strict=True):
        words = _words_of(sample, text_ids) if whole else [_copy(sample)]
        for word in words:
            if whole:
                word["image_id"] = next_id
                next_id += 1
            result.append(word)
    if not result:
        raise DatasetError(
            "No box of the dataset has a text to be read; expected a text in label_custom_data of "
            "the boxes of class 'word'."
        )
    return cast(DLDataset, {"image_dir": dataset.get("image_dir"), "samples": result})


def _is_whole_image(sample: Mapping[str, Any]) -> bool:
    return "word" not in sample and ("bbox_row" in sample or "label_custom_data" in sample)


def _copy(sample: Any) -> Any:
    """A sample that can be changed; what is none stays, for `find_faults` to report."""
    return dict(sample) if isinstance(sample, Mapping) else sample


def _check_whole_images(dataset: DLDataset) -> None:
    """Raises a `DatasetError` where the labels do not fit together."""
    faults = find_faults(dataset, method="ocr_recognition", check_images=False, required_splits=())
    _stop_at_whole(faults)
    faults = [fault for fault in faults if fault.kind in _STRUCTURE]
    if faults:
        raise DatasetError(
            f"Some samples are no labelled images:\n{report(faults)}\nCorrect them, or call "
            "drop_faulty(read_dl_dataset(file), error.faults) and read what it returns.",
            faults,
        )


def _words_of(sample: Mapping[str, Any], text_ids: frozenset[int]) -> list[DLDatasetSample]:
    """The words of a whole image, still without ids."""
    ids = sample.get("bbox_label_id")
    words: list[DLDatasetSample] = []
    for k, custom in enumerate(sample["label_custom_data"]):
        text = custom.get("text", "")
        if (ids is not None and ids[k] not in text_ids) or text.strip() in ("", NOT_TO_BE_READ):
            continue
        word: dict[str, Any] = {"image_file_name": sample["image_file_name"]}
        word |= {"split": sample["split"]} if "split" in sample else {}
        word |= {name: as_real(sample[name][k]) for name in BOX_KEYS_2}
        words.append(cast(DLDatasetSample, {**word, "word": text}))
    return words


def _relabelled(sample: Any, new_ids: Mapping[int, int]) -> Any:
    """A sample with the class ids of text detection, as far as its labels can be understood."""
    if not isinstance(sample, Mapping):
        return sample
    result = dict(sample)
    ids = usable(sample, SAMPLE_KEYS, "bbox_label_id")
    rows = sample.get("bbox_row")
    if ids is not None:
        result["bbox_label_id"] = [new_ids.get(int(i), IGNORE) for i in ids]
    elif "bbox_label_id" not in sample and isinstance(rows, list | tuple):
        result["bbox_label_id"] = [WORD] * len(rows)
    return result
