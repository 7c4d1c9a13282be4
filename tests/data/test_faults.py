from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepocr_jax.data.faults import Fault, drop_faulty, find_faults, report
from deepocr_jax.data.keys import DATASET_KEYS, SAMPLE_KEYS
from deepocr_jax.data.word_checks import frames_needed, frames_of, scaled_width
from deepocr_jax.errors import DatasetError


@pytest.fixture
def dataset(tmp_path):
    Image.new("RGB", (60, 20)).save(tmp_path / "a.png")
    samples = [{"image_file_name": "a.png", "image_id": i, "word": "abc"} for i in range(4)]
    return {"image_dir": str(tmp_path), "samples": samples}


def kinds(dataset, **options):
    return [fault.kind for fault in find_faults(dataset, **options)]


def test_a_good_dataset_has_none(dataset):
    assert find_faults(dataset, alphabet="abc", image_width=320) == []
    assert report([]) == "No faults."


def test_an_image_is_decoded_once(dataset, monkeypatch):
    from deepocr_jax.data import image_checks

    read = []
    monkeypatch.setattr(
        image_checks, "read_image", lambda path: read.append(path) or np.zeros((20, 60, 3))
    )
    assert find_faults(dataset) == []
    assert len(read) == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"image_dir": 5}, "wrong_type"),
        ({"image_dir": ""}, "missing_key"),
        ({"image_dir": "nul\0"}, "missing_file"),
        ({"image_dir": "/nowhere/at/all"}, "missing_file"),
        ({"samples": []}, "no_samples"),
        ({"samples": {}}, "wrong_type"),
        ({"class_ids": [0, 0], "class_names": ["a", "b"]}, "bad_class"),
        ({"class_ids": [0, 1], "class_names": ["a", "a"]}, "bad_class"),
        ({"class_ids": [0, 65535], "class_names": ["a", "b"]}, "bad_class"),
        ({"class_ids": [-1], "class_names": ["a"]}, "bad_class"),
        ({"class_ids": [0, 1], "class_names": ["a"]}, "unequal_lengths"),
        ({"class_ids": "01"}, "wrong_type"),
        ({"preprocess_param": []}, "wrong_type"),
    ],
)
def test_faults_of_the_whole(dataset, change, kind):
    faults = find_faults({**dataset, **change})
    assert kind in [fault.kind for fault in faults if fault.index is None]
    with pytest.raises(DatasetError, match="whole dataset") as caught:
        drop_faulty(dataset, faults)
    assert caught.value.faults


def test_splits(dataset):
    assert kinds(dataset) == []
    for sample in dataset["samples"]:
        sample["split"] = "train"
    assert kinds(dataset) == ["empty_split", "empty_split"]
    assert kinds(dataset, required_splits=("train",)) == []
    del dataset["samples"][0]["split"]
    assert kinds(dataset, required_splits=("train",)) == ["missing_split"]
    assert kinds(dataset, required_splits=()) == []


def test_of_doubled_ids_the_good_one_stays(dataset):
    samples = dataset["samples"]
    samples[0] |= {"image_id": 9, "word": ""}
    samples[1]["image_id"] = samples[2]["image_id"] = 9
    faults = find_faults(dataset)
    assert [(f.index, f.kind) for f in faults] == [
        (0, "empty_word"), (0, "doubled_id"), (2, "doubled_id")
    ]  # fmt: skip
    assert [s["image_id"] for s in drop_faulty(dataset, faults)["samples"]] == [9, 3]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"image_label_id": [0]}, None),
        ({"image_label_id": [3]}, "unknown_class"),
        ({"image_label_id": 0}, "wrong_type"),
        ({"anomaly_label": "ok"}, None),
        ({"anomaly_label": 1}, "wrong_type"),
        ({"anomaly_label": "other"}, "unknown_class"),
        ({"segmentation_file_name": "a.png"}, None),
        ({"segmentation_file_name": "b.png"}, "missing_file"),
        ({"segmentation_file_name": "../a.png"}, "path_leaves"),
        ({"bbox_label_id": [0], "bbox_row1": [1], "bbox_col1": [1], "bbox_row2": [5],
          "bbox_col2": [9]}, None),
        ({"bbox_label_id": [0], "bbox_row1": [6], "bbox_col1": [1], "bbox_row2": [5],
          "bbox_col2": [9]}, "no_area"),
        ({"bbox_label_id": [0], "bbox_row1": [30], "bbox_col1": [1], "bbox_row2": [50],
          "bbox_col2": [9]}, "outside_image"),
        ({"bbox_label_id": [0], "bbox_row1": [1], "bbox_col1": [1], "bbox_row2": [5]},
         "missing_key"),
        ({"bbox_label_id": [], "bbox_row": [], "bbox_col": [], "bbox_phi": [],
          "bbox_length1": [], "bbox_length2": []}, None),
        ({"bbox_label_id": [2], "bbox_row": [9], "bbox_col": [9], "bbox_phi": [0],
          "bbox_length1": [5], "bbox_length2": [5]}, "unknown_class"),
        ({"bbox_label_id": [0, 0], "bbox_row": [9], "bbox_col": [9], "bbox_phi": [0],
          "bbox_length1": [5], "bbox_length2": [5]}, "unequal_lengths"),
    ],
)  # fmt: skip
def test_other_methods(dataset, labels, kind):
    dataset |= {"class_names": ["ok", "scratch"], "class_ids": [0, 1]}
    dataset["segmentation_dir"] = dataset["image_dir"]
    dataset["samples"] = [{"image_file_name": "a.png", "image_id": 1, **labels}]
    assert kinds(dataset) == ([] if kind is None else [kind])


def test_text_detection_needs_no_texts(dataset):
    box = {f"bbox_{k}": [5.0] for k in ("row", "col", "phi", "length1", "length2")}
    sample = {"image_file_name": "a.png", "image_id": 1, "bbox_label_id": [0], **box}
    sample["label_custom_data"] = [{"text": ""}]
    dataset |= {"class_names": ["word"], "class_ids": [0], "samples": [sample]}
    assert kinds(dataset, method="ocr_detection") == []
    assert kinds(dataset) == ["empty_word"]
    sample["label_custom_data"][0]["text"] = "###"
    assert kinds(dataset) == []
    dataset["class_names"] = ["text"]
    assert kinds(dataset) == ["no_word_class"]
    assert kinds({**dataset, "class_custom_data": [{"is_text_class": True}]}) == []


def test_a_sample_without_boxes_left_goes(dataset):
    box = {f"bbox_{k}": [5.0] for k in ("row", "col", "phi", "length1", "length2")}
    dataset["samples"][0] = {"image_file_name": "a.png", "image_id": 0, **box}
    fault = Fault(0, 0, "empty_word", "", 0)
    assert [s["image_id"] for s in drop_faulty(dataset, [fault])["samples"]] == [1, 2, 3]
    with pytest.raises(DatasetError, match="All 4 samples"):
        drop_faulty(dataset, [Fault(i, i, "empty_word", "") for i in range(4)])


def test_frames():
    assert frames_needed("abc") == 3
    assert frames_needed("aabbb") == 8
    assert frames_of(20, 2048) == 20  # never narrower than 160 pixels
    assert frames_of(321, 2048) == 40
    assert frames_of(20, 80) == 10
    assert scaled_width(48, 100, 2048) == 100
    assert scaled_width(96, 3, 2048) == 8
    assert scaled_width(1, 1e308, 320) == 320


def test_the_error_survives_pickling():
    error = DatasetError("message", [Fault(1, 2, "bad_id", "reason")])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.faults) == ("message", error.faults)


def keyed(table, values):
    known = st.dictionaries(st.sampled_from(sorted(table)), values, max_size=8)
    return known


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["word", "a.png", "..", "/", "\0", "\ud800", 10**400, 1e308, -1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip
samples = st.lists(keyed(SAMPLE_KEYS, json_values) | json_values, max_size=4)
datasets = json_values | st.builds(
    lambda whole, inner: {**whole, "samples": inner},
    keyed({k: v for k, v in DATASET_KEYS.items() if k != "samples"}, json_values),
    samples,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(dataset=datasets, images=st.booleans(), alphabet=st.none() | st.just("ab"))
def test_malformed_values_never_crash(tmp_path_factory, dataset, images, alphabet):
    before = copy.deepcopy(dataset)
    faults = find_faults(dataset, alphabet=alphabet, image_width=320, check_images=images)
    assert isinstance(report(faults), str)
    assert repr(before) == repr(dataset)
    try:
        clean = drop_faulty(dataset, [f for f in faults if f.index is not None])
    except DatasetError:
        return
    again = find_faults(clean, alphabet=alphabet, image_width=320, check_images=images)
    # What is left may lack what went (the only good class of labels), but no box of it is bad.
    assert not {f.kind for f in again} & {"not_finite", "no_area", "outside_image", "doubled_id"}


numbers = st.floats() | st.integers(-(10**400), 10**400) | st.integers(-5, 70)


@settings(max_examples=150, deadline=None)
@given(
    box=st.tuples(numbers, numbers, numbers, numbers, numbers),
    word=st.text(max_size=60),
    scalar=st.booleans(),
)
def test_any_box_and_word_can_be_checked(box, word, scalar):
    names = ("row", "col", "phi", "length1", "length2")
    sample = {"image_file_name": "a.png", "image_id": 1}
    sample |= {f"bbox_{n}": v if scalar else [v] for n, v in zip(names, box, strict=True)}
    sample |= {"word": word} if scalar else {"label_custom_data": [{"text": word}]}
    dataset = {"image_dir": "x", "class_names": ["word"], "class_ids": [0], "samples": [sample]}
    for fault in find_faults(dataset, alphabet="ab", image_width=320, check_images=False):
        assert fault.index == 0
        assert fault.box == (None if scalar else 0)
