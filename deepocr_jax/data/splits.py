"""Parts of a data set: train, validation, test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from deepocr_jax.data.keys import SAMPLE_KEYS, SPLITS, is_number, samples_of, usable
from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset

Counts = np.ndarray


def split_dl_dataset(
    dataset: DLDataset,
    training_percent: float = 60,
    validation_percent: float = 20,
    overwrite_split: bool = False,
    seed: int = 42,
) -> DLDataset:
    """Assigns each sample to "train", "validation" or "test" (the rest).

    Samples of one image (words cut from it share its `image_file_name`) stay together, so that
    nothing of a test image is trained on. Where each image has one sample the counts are exact
    (largest remainder), else as near as whole images allow; a few samples may leave a split empty.
    Where there are classes, each class is divided alike: an image counts for its rarest class.

    Args:
        dataset: the data set; it is not changed.
        training_percent: share of "train".
        validation_percent: share of "validation".
        overwrite_split: False: a sample that has a split keeps it, further samples of its image
            join it, and the percentages are those of the rest. True: all are assigned anew.
        seed: samples and seed alone decide the result.

    Returns:
        A new data set.

    Raises:
        DatasetError: percentages that are negative or more than 100 together, no samples, an
            unknown split, or nothing to do as every sample has a split.
    """
    shares = _shares(training_percent, validation_percent)
    samples = samples_of(dataset)
    if not samples or not all(isinstance(sample, Mapping) for sample in samples):
        raise DatasetError(
            "Expected a dataset with samples that are dictionaries; find_faults says which are not."
        )
    splits = _kept_splits(samples, overwrite_split)
    groups = _free_groups(samples, splits)
    if not groups:
        raise DatasetError(
            "Every sample has a split already (or shares its image with one that has); give "
            "overwrite_split=True to divide the dataset anew."
        )
    generator = np.random.Generator(np.random.Philox(_seed(seed)))
    strata = _strata(samples, groups)
    targets = _targets([sum(len(g) for g in stratum) for stratum in strata], shares, generator)
    for stratum, target in zip(strata, targets, strict=True):
        for group, split in _assign(stratum, target, generator):
            for index in group:
                splits[index] = SPLITS[split]
    result = [{**sample, "split": split} for sample, split in zip(samples, splits, strict=True)]
    return cast(DLDataset, {**dataset, "samples": result})


def check_splits(dataset: DLDataset, wanted: Sequence[str]) -> None:
    """Raises a `DatasetError` where one of the wanted splits has no samples."""
    samples = samples_of(dataset)
    found = {sample.get("split") for sample in samples}
    images = len({_image_of(index, sample) for index, sample in enumerate(samples)})
    for name in wanted:
        if name not in found:
            raise DatasetError(
                f"Expected samples in the splits {', '.join(wanted)}, got none in {name!r}: "
                f"the dataset has {images} image(s), and the words of one image stay in one split. "
                "Add images, or change training_percent."
            )


def _shares(training_percent: float, validation_percent: float) -> np.ndarray:
    """Shares [3] of the splits in the order of `SPLITS`."""
    percents = (training_percent, validation_percent)
    known = all(is_number(p) and math.isfinite(p) and p >= 0 for p in percents)
    if not known or sum(percents) > 100:
        raise DatasetError(
            "Expected training_percent and validation_percent of at least 0 and at most 100 "
            f"together, got {training_percent!r} and {validation_percent!r}."
        )
    return np.array([*percents, 100 - sum(percents)], np.float64) / 100


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DatasetError(f"Expected a whole number of at least 0 as seed, got {seed!r}.")
    return int(seed)


def _image_of(index: int, sample: Mapping[str, Any]) -> Hashable:
    """What the samples of one image have in common."""
    name = sample.get("image_file_name")
    return name if isinstance(name, str) else index


def _kept_splits(samples: Sequence[Mapping[str, Any]], overwrite: bool) -> list[str | None]:
    """The split of each sample that keeps it, spread over the samples of its image."""
    if overwrite:
        return [None] * len(samples)
    splits = [sample.get("split") for sample in samples]
    wrong = [i for i, split in enumerate(splits) if split is not None and split not in SPLITS]
    if wrong:
        raise DatasetError(
            f"Expected splits among {SPLITS}, got {splits[wrong[0]]!r} at sample {wrong[0]}; "
            "correct it, or give overwrite_split=True."
        )
    of_image: dict[Hashable, str] = {}
    for index, (sample, split) in enumerate(zip(samples, splits, strict=True)):
        if split is not None:
            of_image.setdefault(_image_of(index, sample), split)
    return [
        split if split is not None else of_image.get(_image_of(index, sample))
        for index, (sample, split) in enumerate(zip(samples, splits, strict=True))
    ]


def _free_groups(
    samples: Sequence[Mapping[str, Any]], splits: Sequence[str | None]
) -> list[list[int]]:
    """Indices of the samples without a split, those of one image together."""
    groups: dict[Hashable, list[int]] = {}
    for index, sample in enumerate(samples):
        if splits[index] is None:
            groups.setdefault(_image_of(index, sample), []).append(index)
    return list(groups.values())


def _strata(
    samples: Sequence[Mapping[str, Any]], groups: Sequence[list[int]]
) -> list[list[list[int]]]:
    """The groups by their rarest class, in an order that the samples alone decide."""
    classes = [set().union(*(_classes(samples[i]) for i in group)) for group in groups]
    count = Counter(c for found in classes for c in found)
    strata: dict[str, list[list[int]]] = {}
    for group, found in zip(groups, classes, strict=True):
        # Ties are broken by name, as the order of a set is not the same in every run.
        rarest = min(found, key=lambda c: (count[c], c), default="")
        strata.setdefault(rarest, []).append(group)
    return [strata[name] for name in sorted(strata)]


def _classes(sample: Mapping[str, Any]) -> set[str]:
    """Names or ids of the classes of a sample."""
    found: set[str] = set()
    for key in ("image_label_id", "bbox_label_id"):
        ids = usable(sample, SAMPLE_KEYS, key)
        found |= set() if ids is None else {str(i) for i in ids}
    label = usable(sample, SAMPLE_KEYS, "anomaly_label")
    return found if label is None else {*found, label}


def _targets(sizes: Sequence[int], shares: np.ndarray, generator: np.random.Generator) -> Counts:
    """Samples [strata, 3] that each split gets of each stratum.

    Columns sum to the exact counts of the whole, rows to the strata's sizes, and entries are
    rounded up or down where that is possible.
    """
    exact = np.asarray(sizes, np.float64)[:, None] * shares
    # Less than a rounding error below a whole number is that number.
    result = np.floor(exact + 1e-9).astype(np.int64)
    total = np.floor(exact.sum(axis=0) + 1e-9).astype(np.int64)
    missing = sum(sizes) - int(total.sum())
    total[np.argsort(-(exact.sum(axis=0) - total), kind="stable")[:missing]] += 1
    rows, columns = np.asarray(sizes) - result.sum(axis=1), total - result.sum(axis=0)
    order = generator.permutation(exact.size)
    order = order[np.argsort(-(exact - result).ravel()[order].round(9), kind="stable")]
    for limit in (1, 3):  # first one more for each entry, then whatever is left
        for entry in order:
            row, column = divmod(int(entry), len(SPLITS))
            step = min(limit, rows[row], columns[column])
            if step > 0:
                result[row, column] += step
                rows[row] -= step
                columns[column] -= step
    return result


def _assign(
    groups: Sequence[list[int]], target: np.ndarray, generator: np.random.Generator
) -> list[tuple[list[int], int]]:
    """Splits of the groups of a stratum: the largest first, each to where most is lacking."""
    order = generator.permutation(len(groups))
    order = sorted(order, key=lambda i: -len(groups[i]))
    lacking = target.copy()
    result = []
    for index in order:
        split = int(np.argmax(lacking))
        lacking[split] -= len(groups[index])
        result.append((groups[index], split))
    return result
