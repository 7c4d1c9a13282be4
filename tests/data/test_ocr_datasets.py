from __future__ import annotations

import copy
import os
from collections import Counter
from pathlib import Path

import pytest

from deepocr_jax.data.dataset_files import read_dl_dataset, write_dl_dataset
from deepocr_jax.data.faults import drop_faulty, find_faults
from deepocr_jax.data.ocr_datasets import (
    convert_dl_dataset_ocr_detection_to_recognition,
    read_dl_dataset_ocr_detection,
    read_dl_dataset_ocr_recognition,
)
from deepocr_jax.errors import DatasetError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("bbox_row", "bbox_col", "bbox_phi", "bbox_length1", "bbox_length2")


def page(texts, ids=None, **more):
    n = len(texts)
    sample = {"image_file_name": "p.png", "image_id": 7}
    sample |= {name: [10.0 * i + k for k in range(n)] for i, name in enumerate(NAMES, 1)}
    sample |= {"label_custom_data": [{"text": text} for text in texts]}
    return sample | ({} if ids is None else {"bbox_label_id": ids}) | more


def dataset(*samples, names=("word", "ignore"), **more):
    ids = list(range(len(names)))
    classes = {"class_names": list(names), "class_ids": ids} if names else {}
    return {"image_dir": os.path.abspath("images"), **classes, "samples": list(samples), **more}


def words(result):
    return [sample["word"] for sample in result["samples"]]


def test_form_a_gives_a_sample_a_word():
    source = dataset(
        page(["one", "two", "", "###", "five"], [0, 1, 0, 0, 0], split="test"),
        page(["six"], [0]),
    )
    before = copy.deepcopy(source)
    result = read_dl_dataset_ocr_recognition(source)
    assert source == before
    assert result == {
        "image_dir": source["image_dir"],
        "samples": [
            {"image_file_name": "p.png", "split": "test", "bbox_row": 10.0, "bbox_col": 20.0,
             "bbox_phi": 30.0, "bbox_length1": 40.0, "bbox_length2": 50.0, "word": "one",
             "image_id": 1},
            {"image_file_name": "p.png", "split": "test", "bbox_row": 14.0, "bbox_col": 24.0,
             "bbox_phi": 34.0, "bbox_length1": 44.0, "bbox_length2": 54.0, "word": "five",
             "image_id": 2},
            {"image_file_name": "p.png", "bbox_row": 10.0, "bbox_col": 20.0, "bbox_phi": 30.0,
             "bbox_length1": 40.0, "bbox_length2": 50.0, "word": "six", "image_id": 3},
        ],
    }  # fmt: skip
    assert read_dl_dataset_ocr_recognition(result) == result


def test_form_b_stays():
    source = dataset({"image_file_name": "a", "image_id": 3, "word": "x"}, names=())
    assert read_dl_dataset_ocr_recognition(source) == source


def test_both_forms_together_have_ids_of_their_own():
    crop = {"image_file_name": "a", "image_id": 3, "word": "x"}
    result = read_dl_dataset_ocr_recognition(dataset(page(["y", "z"]), crop))
    assert [(s["word"], s["image_id"]) for s in result["samples"]] == [("y", 4), ("z", 5), ("x", 3)]


def test_classes_of_text():
    sample = page(["a", "b", "c"], [0, 1, 2])
    custom = [{}, {"is_text_class": "true"}, {"is_text_class": False}]
    source = dataset(sample, names=("word", "price", "logo"), class_custom_data=custom)
    assert words(read_dl_dataset_ocr_recognition(source)) == ["a", "b"]
    del source["class_custom_data"]
    assert words(read_dl_dataset_ocr_recognition(source)) == ["a"]
    source["class_names"][0] = "text"
    with pytest.raises(DatasetError, match="class 'word'"):
        read_dl_dataset_ocr_recognition(source)
    assert words(read_dl_dataset_ocr_recognition(dataset(page(["a"]), names=()))) == ["a"]


def test_labels_that_do_not_fit_are_named_and_can_be_dropped():
    short = page(["a", "b"], [0, 0], bbox_row=[1.0])
    odd = page(["a", 5], [0, 0], image_id=8)
    source = dataset(page(["good"], [0], image_id=1), short, odd)
    with pytest.raises(DatasetError, match="drop_faulty") as caught:
        read_dl_dataset_ocr_recognition(source)
    found = [(f.index, f.kind, f.box) for f in caught.value.faults]
    assert found == [(1, "unequal_lengths", None), (2, "wrong_type", 1)]
    clean = drop_faulty(source, caught.value.faults)
    assert words(read_dl_dataset_ocr_recognition(clean)) == ["good", "a"]


def test_a_dataset_of_nothing_to_read_is_an_error():
    with pytest.raises(DatasetError, match="No box"):
        read_dl_dataset_ocr_recognition(dataset(page(["###"], [0])))
    with pytest.raises(DatasetError, match="at least one sample"):
        read_dl_dataset_ocr_recognition({"image_dir": "x", "samples": []})
    with pytest.raises(DatasetError, match="give image_dir"):
        read_dl_dataset_ocr_recognition({"samples": [{"word": "x"}]})


def test_the_folder_of_images_can_be_given(tmp_path):
    write_dl_dataset({"samples": [{"image_id": 1, "word": "x"}]}, tmp_path / "d.json")
    assert read_dl_dataset_ocr_recognition(tmp_path / "d.json", tmp_path)["image_dir"] == str(
        tmp_path
    )


def test_detection_has_three_classes():
    source = dataset(
        page(["a", "", "c", "d"], [5, 3, 4, 9]),
        page(["x"]),
        page(["x"], [77], image_id=2),
        page(["x"], [5], image_id=3, bbox_row=[1.0, 2.0]),
        page(["x"], [5], image_id=4, bbox_length1=[0.0]),
        class_names=["word", "ignore", "Char", "logo"],
        class_ids=[5, 3, 4, 9],
    )
    source["samples"][1]["image_id"] = 1
    before = copy.deepcopy(source)
    result, invalid = read_dl_dataset_ocr_detection(source)
    assert source == before
    assert result["class_names"] == ["word", "char", "ignore"]
    assert result["class_ids"] == [0, 1, 2]
    assert [s["bbox_label_id"] for s in result["samples"]] == [[0, 2, 1, 2], [0], [2], [0], [0]]
    assert [(f.index, f.kind, f.box) for f in invalid] == [
        (2, "unknown_class", 0),
        (3, "unequal_lengths", None),
        (4, "no_area", 0),
    ]
    clean = drop_faulty(result, invalid)
    assert len(clean["samples"]) == 2
    assert words(convert_dl_dataset_ocr_detection_to_recognition(clean)) == ["a", "x"]


def test_detection_without_a_class_of_words_is_an_error():
    with pytest.raises(DatasetError, match="no_word_class"):
        read_dl_dataset_ocr_detection(dataset(page(["x"], [0]), names=("text",)))


def test_unlabelled_boxes_are_words():
    result, invalid = read_dl_dataset_ocr_detection(dataset(page(["x", ""]), names=()))
    assert invalid == []
    assert result["samples"][0]["bbox_label_id"] == [0, 0]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["sevenseg_train", "ic15_dev", "funsd_train"])
def test_round_trip_of_shared_data(name, tmp_path):
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    source = read_dl_dataset(SHARED / name / "dl_dataset.json")
    assert find_faults(source, image_width=2048, check_images=name == "sevenseg_train") == []
    result = read_dl_dataset_ocr_recognition(SHARED / name / "dl_dataset.json")
    write_dl_dataset(result, tmp_path / "d.json")
    assert read_dl_dataset_ocr_recognition(tmp_path / "d.json") == result
    assert find_faults(result, check_images=False) == []
    expected = [s["word"] for s in source["samples"] if "word" in s]
    for sample in source["samples"]:
        labels = zip(
            sample.get("bbox_label_id", ()), sample.get("label_custom_data", ()), strict=True
        )
        expected += [custom["text"] for i, custom in labels if i == 0]
    assert words(result) == expected
    assert max(Counter(s["image_id"] for s in result["samples"]).values()) == 1
    if name != "sevenseg_train":
        detection, invalid = read_dl_dataset_ocr_detection(source)
        assert invalid == []
        assert convert_dl_dataset_ocr_detection_to_recognition(detection) == result
