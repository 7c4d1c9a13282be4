"""Samples in memory: made from a dataset or from images, written, read back, found by a key."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from PIL import Image

from deepocr_jax.data.keys import BOX_KEYS_2
from deepocr_jax.data.sample_files import load_sample, save_sample
from deepocr_jax.data.sample_images import file_in, image_path, word_box
from deepocr_jax.data.word_crops import cut_box
from deepocr_jax.errors import DatasetError
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.types import DLDataset, DLSample, ImageArray

# Keys of a dataset's sample that say where its files are, or which part it belongs to.
_NOT_LABELS = frozenset(
    (
        "image_file_name",
        "split",
        "dlsample_file_name",
        "anomaly_file_name",
        "segmentation_file_name",
    )
)
_MASK_MODES = ("1", "L", "P", "I;16", "I")


def gen_dl_samples(
    dataset: DLDataset, indices: Iterable[int], restrict_entries: Sequence[str] = ()
) -> list[DLSample]:
    """Makes samples from the images and labels of a dataset.

    A recognition sample with a box gives the upright crop along it (2 * length2 rows, 2 * length1
    columns, rounded), and the box, which belongs to the larger image, is left out.

    Args:
        dataset: the dataset.
        indices: which of its samples, in which order; may repeat.
        restrict_entries: the only keys that are wanted; empty: all there are.

    Returns:
        For each index its `image`, `image_id` and labels. A segmentation image, [h, w] of class
        ids, is read into `segmentation_image`, the anomaly region, [h, w], into
        `anomaly_ground_truth`, and `anomaly_label_id` is looked up in the dataset's classes.

    Raises:
        DatasetError: an index, a file name, a box or a class is none of the dataset's.
        ImageError: an image file cannot be used.
    """
    # Words of one image mostly follow each other: it is decoded once for all of them.
    read = lru_cache(maxsize=1)(read_image)
    return [make_dl_sample(dataset, index, read, restrict_entries) for index in indices]


def make_dl_sample(
    dataset: DLDataset,
    index: int,
    read: Callable[[Path], ImageArray],
    restrict_entries: Sequence[str] = (),
) -> DLSample:
    """One sample of `gen_dl_samples`; `read` gives the image of a path, and may keep it."""
    entry = _entry(dataset, index)
    sample = _labels(dataset, entry)
    if not restrict_entries or "image" in restrict_entries:
        box, image = word_box(entry), read(image_path(dataset, entry))
        sample["image"] = image.copy() if box is None else cut_box(image, box)
    if restrict_entries:
        sample = {key: value for key, value in sample.items() if key in restrict_entries}
    return cast(DLSample, sample)


def gen_dl_samples_from_images(
    images: Sequence[np.ndarray] | np.ndarray,
) -> list[DLSample]:
    """Makes samples of bare images, for inference.

    Args:
        images: what `as_rgb` takes, each; or one such array.

    Returns:
        One sample with `image`, uint8 [h, w, 3], for each image.

    Raises:
        ImageError: an image has no plain meaning as RGB.
    """
    batch = [images] if isinstance(images, np.ndarray) and images.ndim < 4 else images
    return [{"image": as_rgb(image)} for image in batch]


def write_dl_samples(
    dataset: DLDataset, indices: Sequence[int], samples: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Writes samples to `<image_id>_dlsample.npz` in the dataset's `dlsample_dir`.

    Each file is written whole or not at all; files of that name are replaced. The entries of the
    dataset get their `dlsample_file_name`.

    Args:
        dataset: the dataset, changed as said.
        indices: the sample of the dataset that each of `samples` was made from.
        samples: the samples.

    Returns:
        The file names, relative to `dlsample_dir`.

    Raises:
        DatasetError: the numbers differ, there is no `dlsample_dir`, an index or image_id is not
            the dataset's, or a sample holds what cannot be written.
    """
    if len(indices) != len(samples):
        raise DatasetError(
            f"Expected one sample for each index, got {len(samples)} for {len(indices)}."
        )
    names = []
    for index, sample in zip(indices, samples, strict=True):
        entry = cast(MutableMapping[str, Any], _entry(dataset, index))
        if sample.get("image_id", entry.get("image_id")) != entry.get("image_id"):
            raise DatasetError(
                f"Expected the sample of image_id {entry.get('image_id')!r} at index {index}, got "
                f"that of {sample.get('image_id')!r}; pass indices and samples in one order."
            )
        name = dlsample_file_name(entry)
        path = file_in(dataset.get("dlsample_dir"), name, f"the sample of index {index}")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_sample(path, sample)
        entry["dlsample_file_name"] = name
        names.append(name)
    return names


def dlsample_file_name(entry: Mapping[str, Any]) -> str:
    """The name of the file of a sample; raises `DatasetError` where its id is no whole number."""
    image_id = entry.get("image_id")
    if isinstance(image_id, bool) or not isinstance(image_id, int | np.integer) or image_id < 0:
        raise DatasetError(
            f"Expected a whole number of at least 0 as image_id, got {image_id!r}; number the "
            "samples."
        )
    return f"{int(image_id)}_dlsample.npz"


def read_dl_samples(dataset: DLDataset, indices: Iterable[int]) -> list[DLSample]:
    """Reads samples that `write_dl_samples` or `preprocess_dl_dataset` wrote.

    Args:
        dataset: a dataset with `dlsample_dir` and, in its samples, `dlsample_file_name`.
        indices: which of its samples, in which order.

    Raises:
        DatasetError: an index is none of the dataset's, or a file is missing or damaged.
    """
    return [load_sample(dlsample_path(dataset, _entry(dataset, index))) for index in indices]


def dlsample_path(dataset: Mapping[str, Any], entry: Mapping[str, Any]) -> Path:
    """The path of the file of a preprocessed sample; `DatasetError` where it was not made."""
    if "dlsample_file_name" not in entry or "dlsample_dir" not in dataset:
        raise DatasetError(
            f"Expected a preprocessed dataset, but sample {entry.get('image_id')!r} has no "
            "dlsample_file_name, or the dataset no dlsample_dir; call preprocess_dl_dataset."
        )
    what = f"the preprocessed sample {entry.get('image_id')!r}"
    return file_in(dataset["dlsample_dir"], entry["dlsample_file_name"], what)


def find_dl_samples(
    samples: Sequence[Mapping[str, Any]],
    key: str,
    value: Any,
    mode: Literal["match", "or", "contain"] = "match",
) -> list[int]:
    """Finds samples by the value of a key.

    Args:
        samples: samples of a dataset (`dataset["samples"]`) or in memory.
        key: the key; samples without it are not found.
        value: one value, or a list of them.
        mode: "match": the sample has exactly this value, or these values in this order; "or": it
            has at least one of them; "contain": it has all of them.

    Returns:
        The indices of the samples found, ascending.

    Raises:
        DatasetError: there is no such mode.
    """
    wanted = _values(value)
    if mode == "match":
        found = [i for i, s in enumerate(samples) if key in s and _values(s[key]) == wanted]
    elif mode == "or":
        found = [
            i
            for i, s in enumerate(samples)
            if key in s and any(v in wanted for v in _values(s[key]))
        ]
    elif mode == "contain":
        found = [
            i
            for i, s in enumerate(samples)
            if key in s and all(v in _values(s[key]) for v in wanted)
        ]
    else:
        raise DatasetError(f"Expected the mode 'match', 'or' or 'contain', got {mode!r}.")
    return found


def _values(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return value.ravel().tolist()
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _entry(dataset: DLDataset, index: int) -> Mapping[str, Any]:
    entries = dataset.get("samples", [])
    if not 0 <= index < len(entries):
        raise DatasetError(
            f"Expected the index of one of the {len(entries)} samples, got {index}; count from 0."
        )
    return cast(Mapping[str, Any], entries[index])


def _labels(dataset: DLDataset, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of a sample but its image."""
    cut_out = word_box(entry) is not None
    hidden = _NOT_LABELS.union(BOX_KEYS_2) if cut_out else _NOT_LABELS
    labels = {key: value for key, value in entry.items() if key not in hidden}
    if "segmentation_file_name" in entry:
        name = entry["segmentation_file_name"]
        path = file_in(dataset.get("segmentation_dir"), name, "the segmentation image")
        labels["segmentation_image"] = _read_mask(path)
    if "anomaly_file_name" in entry:
        name = entry["anomaly_file_name"]
        path = file_in(dataset.get("anomaly_dir"), name, "the anomaly region")
        labels["anomaly_ground_truth"] = (_read_mask(path) > 0).astype(np.uint8)
    if "anomaly_label" in entry and "class_names" in dataset:
        names, label = dataset["class_names"], entry["anomaly_label"]
        if label not in names:
            raise DatasetError(
                f"Expected an anomaly_label among {names}, got {label!r} in sample "
                f"{entry.get('image_id')!r}; correct it."
            )
        ids = dataset.get("class_ids", range(len(names)))
        labels["anomaly_label_id"] = ids[names.index(label)]
    return labels


def _read_mask(path: Path) -> np.ndarray:
    """A label image [h, w]: the numbers as they are in the file, indices where it has a palette."""
    try:
        with Image.open(path) as image:
            if image.mode in _MASK_MODES:
                return np.array(image)
            mode = image.mode
    except Exception as error:  # damage surfaces as nearly any exception
        raise DatasetError(
            f"Cannot read the label image '{path}' ({error}); write it again."
        ) from error
    raise DatasetError(
        f"Expected a label image of one channel in '{path}', got the mode {mode!r}; save it as a "
        "gray or palette PNG."
    )
