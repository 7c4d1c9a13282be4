from __future__ import annotations

import copy

import pytest

from deepocr_jax.data.checked import keep_checked_images, keep_checked_words
from deepocr_jax.data.ocr_datasets import (
    read_dl_dataset_ocr_detection,
    read_dl_dataset_ocr_recognition,
)
from deepocr_jax.errors import DatasetError

BOXES = ("bbox_row", "bbox_col", "bbox_phi", "bbox_length1", "bbox_length2")


def page(image_id, *words, ids=None, **more):
    """A page of words (text, whether it is checked)."""
    sample = {"image_id": image_id, "image_file_name": f"{image_id}.png", **more}
    sample |= {name: [5.0 + k for k in range(len(words))] for name in BOXES}
    sample["label_custom_data"] = [{"text": t, "checked": checked} for t, checked in words]
    return sample | ({} if ids is None else {"bbox_label_id": ids})


def crop(image_id, word, **more):
    return {"image_id": image_id, "image_file_name": f"{image_id}.png", "word": word, **more}


def dataset(*samples, names=("word", "stamp")):
    classes = {"class_ids": list(range(len(names))), "class_names": list(names)}
    return {"image_dir": "/images", **classes, "samples": list(samples)}


def ids_of(result):
    return [sample["image_id"] for sample in result["samples"]]


def test_only_checked_words_are_read():
    source = dataset(page(1, ("one", True), ("two", False), ("three", True)), page(2, ("four", 0)))
    before = copy.deepcopy(source)
    result = read_dl_dataset_ocr_recognition(source, checked_only=True)
    assert [s["word"] for s in result["samples"]] == ["one", "three"]
    assert [s["bbox_row"] for s in result["samples"]] == [5.0, 7.0]
    assert source == before


def test_only_checked_crops_are_read():
    source = dataset(crop(1, "a", checked=True), crop(2, "b", checked=False), crop(3, "c"))
    assert ids_of(read_dl_dataset_ocr_recognition(source, checked_only=True)) == [1]
    assert ids_of(read_dl_dataset_ocr_recognition(source)) == [1, 2, 3]


def test_only_images_that_are_done_teach_finding():
    source = dataset(
        page(1, ("one", True), ("two", True)),
        page(2, ("one", True), ("two", False)),
        page(3),
        page(4, edited=True),
        # What is no word needs no check, and is none.
        page(5, ("word", True), ("", False), ids=[0, 1]),
        page(6, ("", True), ids=[1]),
    )
    assert ids_of(keep_checked_images(source)) == [1, 4, 5]
    result, faults = read_dl_dataset_ocr_detection(source, checked_only=True)
    assert ids_of(result) == [1, 4, 5] and not faults


@pytest.mark.parametrize("keep", [keep_checked_words, keep_checked_images])
def test_nothing_checked_is_said(keep):
    with pytest.raises(DatasetError, match=r"marked as checked, got none; confirm .* label"):
        keep(dataset(page(1, ("one", False)), page(2, ("two", "yes"))))
    with pytest.raises(DatasetError, match="marked as checked"):
        keep(dataset())


def test_crops_alone_may_be_checked():
    kept = keep_checked_words(dataset(page(1, ("one", False)), crop(2, "a", checked=True)))
    assert [s["word"] for s in read_dl_dataset_ocr_recognition(kept)["samples"]] == ["a"]


@pytest.mark.parametrize("broken", [None, {"image_id": 9, "label_custom_data": "text"}])
def test_what_cannot_be_understood_stays_to_be_reported(broken):
    kept = keep_checked_words(dataset(page(1, ("one", True)), broken))
    assert kept["samples"][1] == broken
