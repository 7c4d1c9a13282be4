"""Several recognition datasets as one."""

import os
from collections.abc import Sequence
from pathlib import Path

from deepocr_jax.errors import DatasetError
from deepocr_jax.types import DLDataset, DLDatasetSample


def merge_dl_datasets(datasets: Sequence[DLDataset]) -> DLDataset:
    """Puts the samples of recognition datasets together.

    Args:
        datasets: As `read_dl_dataset_ocr_recognition` gives them, not preprocessed.

    Returns:
        A dataset whose `image_dir` is the common parent of theirs. Samples are numbered anew where
        there is more than one dataset, since ids of different ones may be the same.

    Raises:
        DatasetError: There is none, or one was preprocessed.
    """
    if not datasets:
        raise DatasetError("Expected one dataset at least, got none.")
    if len(datasets) == 1:
        return datasets[0]
    if any("dlsample_dir" in dataset for dataset in datasets):
        raise DatasetError("Expected datasets as they were read; merge them before preprocessing.")
    folders = [Path(dataset["image_dir"]).absolute() for dataset in datasets]
    parent = Path(os.path.commonpath(folders))
    samples: list[DLDatasetSample] = []
    for dataset, folder in zip(datasets, folders, strict=True):
        for sample in dataset["samples"]:
            renamed: DLDatasetSample = {**sample, "image_id": len(samples) + 1}
            name = sample.get("image_file_name")
            # What is no relative name stays as it is, for the checks to report.
            if isinstance(name, str) and name and not os.path.isabs(name):
                prefix = folder.relative_to(parent).as_posix()
                renamed["image_file_name"] = f"{prefix}/{name}"
            samples.append(renamed)
    return {"image_dir": str(parent), "samples": samples}
