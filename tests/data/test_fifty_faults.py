from __future__ import annotations

import math
import os

import numpy as np
import pytest
from PIL import Image

from deepocr_jax.data.faults import drop_faulty, find_faults, report

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
BOX = {"bbox_row": 10.0, "bbox_col": 30.0, "bbox_phi": 0.1, "bbox_length1": 12.0}
BOX["bbox_length2"] = 6.0
NO_ID = object()
DAMAGED_FILES = {
    "missing.png": "missing_file",
    "empty.png": "unreadable_image",
    "cut.png": "unreadable_image",
    "cut.jpg": "unreadable_image",
    "damaged.png": "unreadable_image",
    "text.png": "unreadable_image",
    "floats.tif": "unreadable_image",
    "folder.png": "unreadable_image",
    "pipe.png": "unreadable_image",
    "dangling.png": "missing_file",
    "loop.png": "missing_file",
    "link_out.png": "path_leaves",
    "folder_out/good.png": "path_leaves",
    "../outside/good.png": "path_leaves",
    "a/../../outside/good.png": "path_leaves",
    "/good.png": "path_leaves",
    "C:\\good.png": "path_leaves",
    "..\\good.png": "path_leaves",
    "nul\0.png": "missing_file",
    "": "missing_file",
}


@pytest.fixture
def image_dir(tmp_path):
    folder, outside = tmp_path / "images", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 60, 3), np.uint8)
    for where in (folder, outside):
        Image.fromarray(pixels).save(where / "good.png")
    whole = (folder / "good.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "damaged.png").write_bytes(whole[:40] + b"damaged!" * 20 + whole[200:])
    Image.fromarray(pixels).save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:-400])
    (folder / "text.png").write_text("no image")
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "floats.tif")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "link_out.png").symlink_to(outside / "good.png")
    (folder / "folder_out").symlink_to(outside, target_is_directory=True)
    return folder


def good(**changes):
    sample = {"image_file_name": "good.png", "split": "train", "word": "abc", **changes}
    return {key: value for key, value in sample.items() if value is not ...}


def page(words=3, **changes):
    """A whole image (form A) of so many words."""
    sample = good(word=..., bbox_label_id=[0] * words)
    sample |= {key: [value] * words for key, value in BOX.items()}
    sample["label_custom_data"] = [{"text": "abc"} for _ in range(words)]
    for key, value in changes.items():
        sample[key] = sample[key][:-1] + [value] if key in sample else value
    return sample


# (sample, kind): the whole sample is at fault.
SAMPLE_FAULTS = [
    *((good(image_file_name=name), kind) for name, kind in DAMAGED_FILES.items()),
    (good(image_file_name=...), "missing_key"),
    (good(image_file_name=7), "wrong_type"),
    (good(image_id=NO_ID), "missing_key"),
    (good(image_id="7"), "wrong_type"),
    (good(image_id=7.0), "wrong_type"),
    (good(image_id=True), "wrong_type"),
    (good(image_id=-1), "bad_id"),
    (good(image_id=2**63), "bad_id"),
    (good(image_id=0), "doubled_id"),
    (good(split="training"), "unknown_split"),
    (good(split=1), "wrong_type"),
    (good(word=...), "missing_key"),
    (good(word=12), "wrong_type"),
    (good(word=None), "wrong_type"),
    (good(word=["a", "b"]), "wrong_type"),
    ("a string", "wrong_type"),
    (None, "wrong_type"),
    (good(word=""), "empty_word"),
    (good(word=" \t"), "empty_word"),
    (good(word="abß"), "unknown_character"),
    (good(word="abcdefghij" * 2 + "k"), "word_too_long"),
    (good(word="aaaaaaaaaaa"), "word_too_long"),
    (good(**{**BOX, "bbox_row": math.nan}), "not_finite"),
    (good(**{**BOX, "bbox_phi": math.inf}), "not_finite"),
    (good(**{**BOX, "bbox_row": 10**400}), "not_finite"),
    (good(**{**BOX, "bbox_length1": 0}), "no_area"),
    (good(**{**BOX, "bbox_length2": -3.0}), "no_area"),
    (good(**{**BOX, "bbox_col": 60.0}), "outside_image"),
    (good(**{**BOX, "bbox_col": "30"}), "wrong_type"),
    (good(**{**BOX, "bbox_row": [10.0]}), "unequal_lengths"),
    (good(**{**BOX, "bbox_phi": ...}), "missing_key"),
    ({**page(), "label_custom_data": [{"text": "abc"}]}, "unequal_lengths"),
    ({**page(), "bbox_row": [1.0]}, "unequal_lengths"),
    ({**page(), "label_custom_data": ["a", "b", "c"]}, "wrong_type"),
]  # fmt: skip

# (sample, kind): its last box is at fault.
BOX_FAULTS = [
    (page(bbox_row=math.nan), "not_finite"),
    (page(bbox_row=-8.0), "outside_image"),
    (page(bbox_length1=-1.0), "no_area"),
    (page(bbox_label_id=9), "unknown_class"),
    (page(label_custom_data={"text": ""}), "empty_word"),
    (page(label_custom_data={"text": "Ä"}), "unknown_character"),
    (page(label_custom_data={"text": 5}), "wrong_type"),
    (page(label_custom_data={"text": "a" * 30}), "word_too_long"),
]


@pytest.fixture
def planted(image_dir):
    """The data set, and what is planted in it: {index: (kind, box)}."""
    samples, expected = [], {}
    plants = [(s, k, None) for s, k in SAMPLE_FAULTS] + [(s, k, 2) for s, k in BOX_FAULTS]
    for sample, kind, box in plants:
        first = len(samples)
        samples.append(good(image_id=3 * first))
        if isinstance(sample, dict):
            sample = {"image_id": 3 * first + 1, **sample}
            sample = {key: value for key, value in sample.items() if value is not NO_ID}
        samples.append(sample)
        samples.append(good(image_id=3 * first + 2, **BOX) if first % 4 else page())
        samples[-1].setdefault("image_id", 3 * first + 2)
        expected[first + 1] = (kind, box)
    samples[0]["split"], samples[2]["split"] = "validation", "test"
    return {
        "image_dir": str(image_dir),
        "class_names": ["word", "ignore"],
        "class_ids": [0, 1],
        "samples": samples,
    }, expected


def find(dataset, **options):
    return find_faults(dataset, alphabet=ALPHABET, image_width=2048, **options)


def test_there_are_fifty(planted):
    assert len(planted[1]) >= 50


def test_every_fault_is_named_and_nothing_else(planted):
    dataset, expected = planted
    faults = find(dataset)
    found = {}
    for fault in faults:
        found.setdefault(fault.index, []).append((fault.kind, fault.box))
        assert fault.reason
    assert found == {index: [one] for index, one in expected.items()}


def test_nothing_good_is_lost(planted):
    dataset, expected = planted
    before = repr(dataset)
    clean = drop_faulty(dataset, find(dataset))
    kept = []
    for index, sample in enumerate(dataset["samples"]):
        kind, box = expected.get(index, (None, None))
        if kind is None:
            kept.append(sample)
        elif box is not None:
            kept.append({k: v[:2] if isinstance(v, list) else v for k, v in sample.items()})
    assert clean["samples"] == kept
    assert find(clean) == []
    assert repr(dataset) == before


def test_the_report_names_sample_and_reason(planted):
    dataset, expected = planted
    text = report(find(dataset), limit=5)
    assert text.startswith(f"{len(expected)} faults: ")
    assert "sample 1 (image_id 1): missing_file" in text
    assert text.endswith(f"and {len(expected) - 5} more")
    assert "box 2" in report(find(dataset), limit=1000)


def test_without_opening_images_paths_are_still_checked(planted):
    dataset, expected = planted
    found = {fault.index for fault in find(dataset, check_images=False)}
    missed = {expected[i][0] for i in expected.keys() - found}
    assert missed == {"missing_file", "unreadable_image", "outside_image", "word_too_long"}
    assert {i for i, (kind, _) in expected.items() if kind == "path_leaves"} <= found
