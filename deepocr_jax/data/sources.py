"""Random access to word crops: of a dataset, preprocessed or not, or of arrays."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np

from deepocr_jax.data.keys import SPLITS
from deepocr_jax.data.sample_files import load_image_shape, load_sample
from deepocr_jax.data.sample_images import image_path, image_size, word_box
from deepocr_jax.data.samples import dlsample_path
from deepocr_jax.data.word_checks import LINE_HEIGHT, MIN_WIDTH, scaled_width
from deepocr_jax.data.word_crops import DEFAULT_IMAGE_WIDTH, box_crop_size, cut_box, scale_crop
from deepocr_jax.errors import DatasetError, DeepOCRError
from deepocr_jax.image import read_image
from deepocr_jax.types import DLDataset, ImageArray, IntArray

DEFAULT_CACHE_BYTES = 2**30
_HEADER_WORKERS = min(8, os.cpu_count() or 1)


class DatasetSource:
    """The crops of a recognition dataset (a `CropSource`).

    Preprocessed samples are read where the dataset has them, else the images. Crops that were made
    are kept in memory until the budget is spent, the first ones for good: in epochs of random
    order, replacing crops would only evict what is needed as soon as what replaces it. An image
    that is decoded for one word gives the crops of all its words at once, as far as they are kept.
    """

    def __init__(
        self,
        dataset: DLDataset,
        split: str | Sequence[int] | None = None,
        image_width: int = DEFAULT_IMAGE_WIDTH,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        """Reads the widths of all crops, mostly from the headers of the files.

        Args:
            dataset: a recognition dataset: every sample has a `word`.
            split: "train", "validation" or "test", or indices of samples; None: all of them.
            image_width: the widest crop in pixels; wider ones are squeezed.
            cache_bytes: memory for crops.

        Raises:
            DatasetError: there is no such split, sample or word, or the samples were preprocessed
                for something else.
            ImageError: an image file cannot be used.
        """
        self._dataset = cast(Mapping[str, Any], dataset)
        self._image_width = image_width
        self._samples = [self._dataset["samples"][i] for i in _choose(self._dataset, split)]
        for sample in self._samples:
            if not isinstance(sample.get("word"), str):
                raise DatasetError(
                    f"Expected a recognition dataset, but sample {sample.get('image_id')!r} has no "
                    "word; read the file with read_dl_dataset_ocr_recognition."
                )
        self._ids = [int(sample["image_id"]) for sample in self._samples]
        self._preprocessed = _is_preprocessed(self._dataset, self._samples, image_width)
        self._paths = self._find_paths()
        with ThreadPoolExecutor(_HEADER_WORKERS) as pool:
            self._widths = np.fromiter(pool.map(self._width, range(len(self._samples))), np.int32)
        self._siblings: dict[Path, list[int]] = defaultdict(list)
        for index, path in enumerate(self._paths):
            self._siblings[path].append(index)
        self._kept: dict[int, ImageArray] = {}
        self._budget = cache_bytes
        self._lock = Lock()

    def __len__(self) -> int:
        """The number n of crops."""
        return len(self._samples)

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels."""
        return self._widths

    @property
    def ids(self) -> Sequence[int]:
        """[n] image_id of each crop."""
        return self._ids

    def word(self, index: int) -> str:
        """The text of one crop."""
        return self._samples[index]["word"]

    def crop(self, index: int) -> ImageArray:
        """One crop, uint8 [48, widths[index], 3], read-only; from any thread.

        Raises:
            DatasetError: the file cannot be used; the message names the sample.
        """
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        try:
            crop = self._load(index)
        except DeepOCRError as error:
            raise DatasetError(
                f"Cannot read sample {self._ids[index]} ({self._samples[index]['word']!r}): {error}"
            ) from error
        return self._keep(index, crop)

    def _load(self, index: int) -> ImageArray:
        path = self._paths[index]
        if self._preprocessed:
            crop = load_sample(path).get("image")
            self._check(crop, index)
            return cast(ImageArray, crop)
        image = read_image(path)
        for other in self._siblings[path]:
            if other != index and other not in self._kept and self._budget > 0:
                self._keep(other, self._cut(image, other))
        return self._cut(image, index)

    def _cut(self, image: ImageArray, index: int) -> ImageArray:
        """The crop of a sample from its decoded image."""
        box = word_box(self._samples[index])
        crop = scale_crop(image if box is None else cut_box(image, box), self._image_width)
        self._check(crop, index)
        return crop

    def _check(self, crop: Any, index: int) -> None:
        """Raises for a crop other than promised: the file was replaced in the meantime."""
        shape = (LINE_HEIGHT, int(self._widths[index]), 3)
        if not isinstance(crop, np.ndarray) or crop.shape != shape or crop.dtype != np.uint8:
            got = f"{crop.dtype} {list(crop.shape)}" if isinstance(crop, np.ndarray) else "none"
            raise DatasetError(
                f"Expected the crop to be uint8 {list(shape)} as its header said, got {got}; was "
                "the file changed? Start anew."
            )

    def _keep(self, index: int, crop: ImageArray) -> ImageArray:
        """Keeps a crop where the budget allows it."""
        crop.flags.writeable = False
        with self._lock:
            if index not in self._kept and crop.nbytes <= self._budget:
                self._budget -= crop.nbytes
                self._kept[index] = crop
        return crop

    def _find_paths(self) -> list[Path]:
        """The path of each file, found once: following links costs as much as reading a crop."""
        find = dlsample_path if self._preprocessed else image_path
        key = "dlsample_file_name" if self._preprocessed else "image_file_name"
        known: dict[Any, Path] = {}
        for sample in self._samples:
            name = sample.get(key)
            if not isinstance(name, str) or name not in known:
                known[name] = find(self._dataset, sample)
        return [known[sample[key]] for sample in self._samples]

    def _width(self, index: int) -> int:
        path = self._paths[index]
        if self._preprocessed:
            return _checked_width(load_image_shape(path), path, self._image_width)
        box = word_box(self._samples[index])
        height, width = image_size(path) if box is None else box_crop_size(box[3], box[4])
        return scaled_width(height, width, self._image_width)


def _choose(dataset: Mapping[str, Any], split: str | Sequence[int] | None) -> Sequence[int]:
    """The indices of the samples of a split."""
    samples = dataset.get("samples", [])
    if isinstance(split, str):
        if split not in SPLITS:
            raise DatasetError(f"Expected one of the splits {', '.join(SPLITS)}, got {split!r}.")
        chosen: Sequence[int] = [i for i, s in enumerate(samples) if s.get("split") == split]
    else:
        chosen = range(len(samples)) if split is None else split
    if len(chosen) == 0:
        name = "dataset" if split is None else f"split {split!r}" if chosen == [] else "choice"
        raise DatasetError(
            f"Expected samples, but the {name} has none; split the dataset with split_dl_dataset."
        )
    wrong = [i for i in chosen if not 0 <= i < len(samples)]
    if wrong:
        raise DatasetError(f"Expected indices of {len(samples)} samples, got {wrong[0]}.")
    return chosen


def _is_preprocessed(
    dataset: Mapping[str, Any], samples: Sequence[Mapping[str, Any]], image_width: int
) -> bool:
    """Whether the preprocessed samples are to be read; raises where they do not fit."""
    if "dlsample_dir" not in dataset or not all("dlsample_file_name" in s for s in samples):
        return False
    param = dataset.get("preprocess_param", {})
    got = (param.get("model_type"), param.get("normalization_type"), param.get("image_width"))
    value_range = (param.get("image_range_min", 0), param.get("image_range_max", 255))
    if got != ("ocr_recognition", "none", image_width) or value_range != (0, 255):
        raise DatasetError(
            "Expected samples preprocessed with model_type='ocr_recognition', "
            f"normalization_type='none', image_width={image_width} and the range 0 to 255, got "
            f"{got[0]!r}, {got[1]!r}, {got[2]!r}, {value_range}; preprocess the dataset again (the "
            "network normalizes by itself)."
        )
    return True


def _checked_width(shape: tuple[int, ...], path: Path, image_width: int) -> int:
    if len(shape) != 3 or shape[0] != LINE_HEIGHT or not MIN_WIDTH <= shape[1] <= image_width:
        raise DatasetError(
            f"Expected a crop of [{LINE_HEIGHT}, up to {image_width}, 3] in '{path}', got "
            f"{list(shape)}; preprocess the dataset again."
        )
    return shape[1]


class ArraySource:
    """Crops that are in memory already (a `CropSource`)."""

    def __init__(
        self,
        crops: Sequence[ImageArray],
        words: Sequence[str],
        ids: Sequence[int] | None = None,
    ) -> None:
        """Checks that there is a word and an id for each crop.

        Args:
            crops: [n] of uint8 [48, width, 3], width at least 8.
            words: [n] texts.
            ids: [n] numbers that name the crops; None: 0 to n - 1.

        Raises:
            DatasetError: the numbers differ, or a crop has another form.
        """
        self._crops, self._words = list(crops), list(words)
        self._ids = list(range(len(self._crops))) if ids is None else [int(i) for i in ids]
        if not len(self._crops) == len(self._words) == len(self._ids):
            raise DatasetError(
                f"Expected a word and an id for each crop, got {len(self._crops)} crops, "
                f"{len(self._words)} words and {len(self._ids)} ids."
            )
        for index, crop in enumerate(self._crops):
            fits = crop.dtype == np.uint8 and crop.ndim == 3
            if not fits or crop.shape[::2] != (LINE_HEIGHT, 3) or crop.shape[1] < MIN_WIDTH:
                raise DatasetError(
                    f"Expected crop {index} to be uint8 [{LINE_HEIGHT}, at least {MIN_WIDTH}, 3], "
                    f"got {crop.dtype} {list(crop.shape)}; scale it with preprocess_dl_samples."
                )

    def __len__(self) -> int:
        """The number n of crops."""
        return len(self._crops)

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels."""
        return np.array([crop.shape[1] for crop in self._crops], np.int32)

    @property
    def ids(self) -> Sequence[int]:
        """[n] the number of each crop."""
        return self._ids

    def crop(self, index: int) -> ImageArray:
        """One crop, uint8 [48, widths[index], 3]."""
        return self._crops[index]

    def word(self, index: int) -> str:
        """The text of one crop."""
        return self._words[index]
