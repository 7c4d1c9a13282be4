"""A dataset that is being labelled: what was changed is kept at once, and nothing is lost.

Each change goes into a journal beside the file. The file itself is written whole, in one step, when
that is asked for; what the journal holds comes back when the dataset is opened again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepocr_jax.data.classes import WORD_CLASS, class_names_by_id, text_class_ids
from deepocr_jax.data.dataset_files import read_dl_dataset, write_dl_dataset
from deepocr_jax.errors import DatasetError
from deepocr_jax.labelling.journal import Journal
from deepocr_jax.labelling.sample_lists import all_samples, check_labels, with_samples
from deepocr_jax.labelling.words import (
    Word,
    sample_to_words,
    words_from_json,
    words_to_sample,
)
from deepocr_jax.types import DLDataset


class ConflictError(DatasetError):
    """The words were changed since they were read; they stay as they are."""


class NotSavedError(DatasetError):
    """The disk did not take a change; what was saved before is still there."""


@dataclass(frozen=True)
class ImageWords:
    """The words of one image.

    Attributes:
        name: File name of the image, relative to the folder of images.
        revision: Changes with every change of the words, and with nothing else.
        words: The words.
    """

    name: str
    revision: str
    words: list[Word]


class DatasetStore:
    """The dataset of a file, open for labelling. Its methods may be called by several threads.

    Attributes:
        file: The dataset's file.
        image_dir: Folder of the images.
        names: File names of the images by the ids of their samples, in their order.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        """Opens a dataset, with the changes that its journal holds.

        Args:
            file: JSON file of form A or B.

        Raises:
            DatasetError: It cannot be read or labelled, or another process has it open.
        """
        self.file = Path(os.path.abspath(file))
        self._lock = threading.Lock()
        self._journal = Journal(journal_path(self.file))
        try:
            self._seen = _signature(self.file)
            dataset = read_dl_dataset(self.file)
            samples = all_samples(dataset)
            check_labels(dataset, samples)
            self.image_dir: str = dataset["image_dir"]
            self._dataset = dataset
            self._text_ids = text_class_ids(dataset)
            self._word_id = _word_class_id(dataset)
            self._samples: dict[int, dict[str, Any]] = {s["image_id"]: s for s in samples}
            self.names: dict[int, str] = {s["image_id"]: s["image_file_name"] for s in samples}
            self._replay()
        except BaseException:
            self._journal.close()
            raise

    def _replay(self) -> None:
        for sample in self._journal.entries:
            before = self._samples.get(sample["image_id"])
            if before is None or before["image_file_name"] != sample["image_file_name"]:
                raise DatasetError(
                    f"{self._journal.path} holds changes of {sample['image_file_name']}, which is "
                    f"not in {self.file}; restore that file, or move the journal away."
                )
            self._samples[sample["image_id"]] = sample
        if not self._journal.empty:
            self.write()

    def image(self, image_id: int) -> ImageWords:
        """The words of an image.

        Raises:
            KeyError: There is no such image.
        """
        sample = self._samples[image_id]
        words = sample_to_words(sample, self._text_ids)
        return ImageWords(sample["image_file_name"], _revision(sample), words)

    def words(self, image_id: int) -> list[Word]:
        """The words of an image alone; raises as `image`."""
        return sample_to_words(self._samples[image_id], self._text_ids)

    def replace(self, image_id: int, revision: str, words: Any, size: tuple[int, int]) -> str:
        """Replaces the words of an image, on the disk as well; gives the new revision.

        The same words once more, as when an answer was lost, are no conflict.

        Args:
            image_id: The image.
            revision: That of the words that were changed.
            words: The new words, as JSON values.
            size: (height, width) of the image.

        Raises:
            KeyError: There is no such image.
            ConflictError: Its words are of another revision.
            NotSavedError: The disk did not take them.
            DatasetError: They are no such words.
        """
        with self._lock:
            sample = self._samples[image_id]
            before = sample_to_words(sample, self._text_ids)
            after = words_from_json(words, before, size, self._text_ids)
            changed = words_to_sample(sample, after, self._text_ids, self._word_id)
            if _revision(changed) == _revision(sample):
                return _revision(sample)
            if revision != _revision(sample):
                raise ConflictError(
                    f"The words of {sample['image_file_name']} were changed elsewhere since they "
                    "were read; read them again."
                )
            try:
                self._journal.append(changed)
            except OSError as error:
                raise NotSavedError(
                    f"Cannot write {self._journal.path}: {error.strerror or error}; make room, "
                    "then save again."
                ) from error
            self._samples[image_id] = changed
            return _revision(changed)

    def write(self) -> None:
        """Writes the dataset's file, if there are changes that it lacks.

        Raises:
            NotSavedError: It cannot be written; the changes stay in the journal.
            ConflictError: Another program has changed the file.
        """
        with self._lock:
            if self._journal.empty:
                return
            if _signature(self.file) != self._seen:
                raise ConflictError(
                    f"Another program has changed {self.file}; stop the server and start it anew, "
                    "which takes its changes and brings yours."
                )
            try:
                write_dl_dataset(with_samples(self._dataset, self._samples.values()), self.file)
                self._seen = _signature(self.file)
                self._journal.clear()
            except (DatasetError, OSError) as error:
                raise NotSavedError(
                    f"{error} What was changed is kept in {self._journal.path}."
                ) from error

    def close(self) -> None:
        """Writes the file and lets go of the dataset.

        Raises:
            NotSavedError: As `write`; the dataset is let go of all the same.
            ConflictError: As `write`.
        """
        try:
            self.write()
        finally:
            self._journal.close()


def journal_path(file: Path) -> Path:
    """The journal of a dataset's file."""
    return file.with_name(f".{file.name}.journal")


def _word_class_id(dataset: DLDataset) -> int:
    names = class_names_by_id(dataset)
    return next((i for i in names if names[i] == WORD_CLASS), min(names, default=0))


def _revision(sample: Mapping[str, Any]) -> str:
    text = json.dumps(sample, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _signature(file: Path) -> tuple[int, int] | None:
    """Tells whether a file was changed; None where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
