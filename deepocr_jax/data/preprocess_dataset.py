"""A whole dataset preprocessed into a folder, once for all epochs.

DIRECTORY/samples/<image_id>_dlsample.npz    the samples
DIRECTORY/dl_dataset.json                    the dataset, which refers to them
DIRECTORY/dl_preprocess_param.json           the parameters
"""

import hashlib
import json
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from tqdm import tqdm

from deepocr_jax.data.dataset_files import write_dl_dataset
from deepocr_jax.data.fault_kinds import Fault, sample_fault
from deepocr_jax.data.preprocess import check_dl_preprocess_param, preprocess_dl_samples
from deepocr_jax.data.sample_files import load_fingerprint, save_sample
from deepocr_jax.data.sample_images import file_in
from deepocr_jax.data.samples import dlsample_file_name, make_dl_sample
from deepocr_jax.errors import DatasetError, DeepOCRError, ImageError
from deepocr_jax.image import read_image
from deepocr_jax.types import DLDataset, DLPreprocessParam, ImageArray

DATASET_FILE = "dl_dataset.json"
PARAM_FILE = "dl_preprocess_param.json"
SAMPLES_DIR = "samples"
OVERWRITE_MODES = ("false", "true", "auto")

# Raised whenever the code makes other samples of the same input, so that old files are not reused.
_PREPROCESSING_VERSION = 1
_WORKERS = min(8, os.cpu_count() or 1)
_LISTED = 10


def preprocess_dl_dataset(
    dataset: DLDataset,
    directory: str | os.PathLike[str],
    param: DLPreprocessParam,
    overwrite_files: Literal["false", "true", "auto"] = "false",
    show_progress: bool = True,
    skip_faulty: bool = False,
) -> Path:
    """Preprocesses all samples of a dataset and writes them.

    With "auto", the file of a sample is kept where it was made with equal parameters from equal
    labels and an unchanged image; an image counts as unchanged while its path, size and time of
    change are the same. So an interrupted run goes on, and a grown dataset costs its new samples.

    Args:
        dataset: the dataset, which is not changed. Its split may change without a new sample.
        directory: the folder to write into; made where it is missing.
        param: the parameters, as from `create_dl_preprocess_param`.
        overwrite_files: what happens to files from before: "false": they are an error; "true":
            they are replaced; "auto": see above. Files of other samples are left alone.
        show_progress: whether a progress bar is shown.
        skip_faulty: whether samples that cannot be made are left out of the new dataset, with a
            warning; otherwise they are an error, raised after all others were written.

    Returns:
        The path of the new dataset's file.

    Raises:
        ParameterError: the parameters cannot be used.
        DatasetError: there are files from before, samples cannot be made (its `faults` name all
            of them), ids are doubled, or the folder cannot be written.
    """
    check_dl_preprocess_param(param)
    if overwrite_files not in OVERWRITE_MODES:
        raise DatasetError(
            f"Expected overwrite_files to be one of {OVERWRITE_MODES}, got {overwrite_files!r}."
        )
    folder = Path(os.path.abspath(directory))
    _prepare_folder(folder, overwrite_files)
    names = _file_names(dataset)
    reuse = overwrite_files == "auto"
    faults = _write_samples(dataset, names, folder / SAMPLES_DIR, param, reuse, show_progress)
    if faults:
        _report(faults, len(names), skip_faulty)
    faulty = {fault.index for fault in faults}
    entries = [
        {**entry, "dlsample_file_name": name}
        for index, (entry, name) in enumerate(zip(dataset.get("samples", []), names, strict=True))
        if index not in faulty
    ]
    new = {**dataset, "dlsample_dir": str(folder / SAMPLES_DIR), "preprocess_param": dict(param)}
    new["samples"] = entries
    _write_param(folder / PARAM_FILE, param)
    write_dl_dataset(cast(DLDataset, new), folder / DATASET_FILE)
    return folder / DATASET_FILE


def _prepare_folder(folder: Path, overwrite_files: str) -> None:
    """Makes the folder; refuses one that was written before, where that is asked."""
    samples = folder / SAMPLES_DIR
    if overwrite_files == "false":
        there = [p for p in (folder / DATASET_FILE, folder / PARAM_FILE) if p.exists()]
        there += [p for p in [samples] if p.is_dir() and any(p.iterdir())]
        if there:
            raise DatasetError(
                f"Expected no files from before in '{folder}', but there is '{there[0].name}'; "
                "pass overwrite_files='auto' to reuse what is still valid, or 'true' to replace it."
            )
    try:
        samples.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"Cannot make the folder '{samples}': {error}.") from error


def _file_names(dataset: DLDataset) -> list[str]:
    """The name of each sample's file; raises where two samples would share one."""
    entries = dataset.get("samples", [])
    if not entries:
        raise DatasetError("Expected a dataset with samples, got one without; check the file.")
    names = [dlsample_file_name(cast(Mapping[str, Any], entry)) for entry in entries]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        ids = ", ".join(name.split("_")[0] for name in doubled[:_LISTED])
        raise DatasetError(
            f"Expected unique image_ids, got {len(doubled)} of them more than once ({ids}); "
            "number the samples anew, or drop the doubled ones with drop_faulty."
        )
    return names


def _write_samples(
    dataset: DLDataset,
    names: Sequence[str],
    folder: Path,
    param: DLPreprocessParam,
    reuse: bool,
    show_progress: bool,
) -> list[Fault]:
    """Writes all samples that can be made; gives the faults of the others, by their index."""
    entries = dataset.get("samples", [])
    by_image: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        by_image[str(entry.get("image_file_name"))].append(index)
    setting = json.dumps([_PREPROCESSING_VERSION, param], sort_keys=True)

    def write(index: int, read: Callable[[Path], ImageArray]) -> Fault | None:
        entry, path = entries[index], folder / names[index]
        try:
            fingerprint = _fingerprint(dataset, cast(Mapping[str, Any], entry), setting)
            if not (reuse and load_fingerprint(path) == fingerprint):
                sample = make_dl_sample(dataset, index, read)
                save_sample(path, preprocess_dl_samples([sample], param)[0], fingerprint)
            return None
        except FileNotFoundError as error:
            kind, reason = "missing_file", f"There is no file '{error.filename}'."
        except (DeepOCRError, OSError) as error:
            kind = "unreadable_image" if isinstance(error, ImageError | OSError) else "wrong_type"
            reason = str(error)
        return sample_fault(index, entry, kind, reason)

    def write_all(indices: list[int]) -> list[Fault]:
        read = lru_cache(maxsize=1)(read_image)  # many words may be cut out of this one image
        return [fault for index in indices if (fault := write(index, read)) is not None]

    faults: list[Fault] = []
    with (
        ThreadPoolExecutor(_WORKERS, "preprocess") as pool,
        tqdm(total=len(names), desc="Preprocessing", disable=not show_progress) as bar,
    ):
        futures = {pool.submit(write_all, group): len(group) for group in by_image.values()}
        try:
            for future in as_completed(futures):
                faults += future.result()
                bar.update(futures[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(faults, key=lambda fault: fault.index or 0)


def _fingerprint(dataset: DLDataset, entry: Mapping[str, Any], setting: str) -> str:
    """Stands for all that a sample is made from: parameters, labels, classes, files as they are."""
    files = []
    for folder, name in (
        ("image_dir", "image_file_name"),
        ("segmentation_dir", "segmentation_file_name"),
        ("anomaly_dir", "anomaly_file_name"),
    ):
        if name in entry or name == "image_file_name":
            path = file_in(dataset.get(folder), entry.get(name), f"the {name}")
            state = path.stat()
            files.append([str(path), state.st_size, state.st_mtime_ns])
    labels = {k: v for k, v in entry.items() if k not in ("split", "dlsample_file_name")}
    classes = [dataset.get("class_names"), dataset.get("class_ids")]
    text = json.dumps([setting, files, labels, classes], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _report(faults: Sequence[Fault], total: int, skip_faulty: bool) -> None:
    """Warns of samples that are left out, or raises."""
    lines = [f"  sample {f.index} (image_id {f.image_id}): {f.reason}" for f in faults[:_LISTED]]
    if len(faults) > _LISTED:
        lines.append(f"  and {len(faults) - _LISTED} more")
    text = "\n".join(lines)
    if skip_faulty and len(faults) < total:
        warnings.warn(
            f"{len(faults)} of {total} samples were left out:\n{text}", UserWarning, stacklevel=3
        )
        return
    raise DatasetError(
        f"{len(faults)} of {total} samples cannot be preprocessed; the others are written, but no "
        f"dataset. Correct them, or pass skip_faulty=True to leave them out:\n{text}",
        faults,
    )


def _write_param(path: Path, param: DLPreprocessParam) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(param, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
