"""The samples of a dataset that is being labelled, those without a label as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from deepocr_jax.data.classes import NOT_TO_BE_READ
from deepocr_jax.data.faults import find_faults, report
from deepocr_jax.data.keys import Method
from deepocr_jax.errors import DatasetError
from deepocr_jax.labelling.words import is_crop
from deepocr_jax.types import DLDataset

UNLABELLED = "unlabelled_samples"
"""Key of a dataset for crops without a text, which nothing can be learned from."""

_UNUSABLE = (
    "wrong_type", "missing_key", "unequal_lengths", "unknown_class", "bad_id", "doubled_id",
    "not_finite",
)  # fmt: skip


def all_samples(dataset: DLDataset) -> list[dict[str, Any]]:
    """The samples of a dataset, those without a label as well.

    Raises:
        DatasetError: The latter are no list.
    """
    apart = cast(Any, dataset).get(UNLABELLED, [])
    if not isinstance(apart, list):
        raise DatasetError(f"Expected {UNLABELLED} to be a list, got {type(apart).__name__}.")
    return [*cast(Any, dataset["samples"]), *apart]


def with_samples(dataset: DLDataset, samples: Iterable[Any]) -> DLDataset:
    """A dataset with other samples; crops without a text are put apart.

    Raises:
        DatasetError: No sample has a text.
    """
    samples = list(samples)
    apart = [s for s in samples if is_crop(s) and s["word"].strip() in ("", NOT_TO_BE_READ)]
    ids = {sample["image_id"] for sample in apart}
    labelled = [sample for sample in samples if sample["image_id"] not in ids]
    if not labelled:
        raise DatasetError("Expected one word at least that can be read, got none.")
    result = {k: v for k, v in dataset.items() if k not in ("samples", UNLABELLED)}
    rest = {UNLABELLED: apart} if apart else {}
    return cast(DLDataset, {**result, "samples": labelled, **rest})


def check_labels(dataset: DLDataset, samples: Sequence[Any]) -> None:
    """Looks at what labelling needs of a dataset.

    Args:
        dataset: The dataset.
        samples: All its samples.

    Raises:
        DatasetError: Its labels cannot be told, or not be changed.
    """
    crops = [s for s in samples if isinstance(s, Mapping) and is_crop(s)]
    images = [s for s in samples if not (isinstance(s, Mapping) and is_crop(s))]
    if any("bbox_row" in sample for sample in crops):
        raise DatasetError(
            "Expected whole images with boxes, or crops of words; got words with a box each, as "
            "read_dl_dataset_ocr_recognition gives them. Label the dataset that they come from."
        )
    faults = []
    parts: list[tuple[list[Any], Method]] = [(crops, "ocr_recognition"), (images, "ocr_detection")]
    for part, method in parts:
        if part:
            whole = cast(DLDataset, {**dataset, "samples": part})
            found = find_faults(whole, method=method, check_images=False, required_splits=())
            faults += [fault for fault in found if fault.kind in _UNUSABLE]
    if not faults and len({s["image_id"] for s in samples}) < len(samples):
        raise DatasetError("Expected samples with an image_id each, got one twice; number them.")
    if not faults and any(not isinstance(s["bbox_row"], list) for s in images):
        raise DatasetError("Expected lists of boxes, got plain numbers; write lists of one.")
    if faults:
        raise DatasetError(
            f"The dataset cannot be labelled:\n{report(faults)}\nCorrect it, or make one with "
            "deepocr prelabel.",
            faults,
        )
