from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from deepocr_jax import (
    DeepOCR,
    ModelFileError,
    apply_deep_ocr,
    get_deep_ocr_param,
    read_deep_ocr,
    set_deep_ocr_param,
    write_deep_ocr,
)
from deepocr_jax.checkpoint import flat_items
from deepocr_jax.reader.handle_parameters import GETTERS

# Reads that fail leave futures behind in TensorStore, which end after their event loop did.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

CHANGES = {
    "detection_image_size": (128, 64),
    "detection_min_character_score": 0.25,
    "detection_min_word_area": 12.5,
    "detection_box_unclip_ratio": 1.9,
    "detection_orientation": -12.5,
    "detection_sort_by_line": False,
    "detection_tiling": True,
    "detection_tiling_overlap": 10,
    "detection_boxes_on_device": True,
    "detection_straighten": False,
    "detection_look": True,
    "recognition_batch_size": 2,
    "recognition_draft": True,
    "recognition_image_width": 96,
    "recognition_num_char_candidates": 2,
    "recognition_alphabet": list("0A1OB"),
    "recognition_alphabet_mapping": [1, 2, 3, 1, 0],
}
MODELS = ("detection_model", "recognition_model")


@pytest.fixture
def folder(tiny_handle, tmp_path):
    write_deep_ocr(tiny_handle, tmp_path / "handle")
    return tmp_path / "handle"


def assert_same_handle(actual, expected):
    for name in set(GETTERS) - set(MODELS):
        assert get_deep_ocr_param(actual, name) == get_deep_ocr_param(expected, name), name
    assert actual.state.parameters == expected.state.parameters
    for component in ("detection", "recognition", "orientation", "text_axes"):
        mine, theirs = getattr(actual.state, component), getattr(expected.state, component)
        assert (mine is None) == (theirs is None)
        if mine is None:
            continue
        for name in ("kind", "spec", "preprocess", "alphabet", "license", "source", "sha256"):
            assert getattr(mine, name) == getattr(theirs, name)
        pairs = zip(flat_items(mine.variables), flat_items(theirs.variables), strict=True)
        for (path, array), (other_path, other) in pairs:
            assert (path, array.dtype) == (other_path, other.dtype)
            np.testing.assert_array_equal(array, other)


def assert_equal_results(actual, expected):
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_equal_results(actual[key], value)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(actual[key], value)
        elif key == "word_image":
            for image, other in zip(actual[key], value, strict=True):
                np.testing.assert_array_equal(image, other)
        else:
            assert actual[key] == value


def test_handle_survives_the_disk(tiny_handle, tmp_path):
    for name, value in CHANGES.items():
        set_deep_ocr_param(tiny_handle, name, value)
    write_deep_ocr(tiny_handle, tmp_path / "handle")
    again = read_deep_ocr(tmp_path / "handle")
    assert_same_handle(again, tiny_handle)
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    for mode in ("auto", "detection", "recognition"):
        expected = apply_deep_ocr(image, tiny_handle, mode)
        assert_equal_results(apply_deep_ocr(image, again, mode), expected)


@pytest.mark.pretrained
def test_pretrained_handle_reads_the_same_after_the_disk(shared_handle, sample, tmp_path):
    write_deep_ocr(shared_handle, tmp_path / "handle")
    again = read_deep_ocr(str(tmp_path / "handle"))
    assert_same_handle(again, shared_handle)
    crop = sample[280:480]
    expected = apply_deep_ocr(crop, shared_handle)
    assert "bracket" in expected["words"]["word"]
    assert_equal_results(apply_deep_ocr(crop, again), expected)


def test_writing_again_replaces_the_handle(tiny_handle, folder):
    set_deep_ocr_param(tiny_handle, "detection_image_width", 256)
    write_deep_ocr(tiny_handle, folder)
    assert get_deep_ocr_param(read_deep_ocr(folder), "detection_image_width") == 256
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_handle_with_one_component_stays_one(tiny_handle, tmp_path):
    from dataclasses import replace

    alone = DeepOCR(replace(tiny_handle.state, recognition=None))
    write_deep_ocr(alone, tmp_path / "handle")
    again = read_deep_ocr(tmp_path / "handle")
    assert again.state.recognition is None and again.state.detection is not None


# --- damaged folders ----------------------------------------------------------------------------


def edit(path: Path, change) -> None:
    description = json.loads(path.read_text(encoding="utf-8"))
    change(description)
    path.write_text(json.dumps(description), encoding="utf-8")


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def cut_variables(folder):
    files = [p for p in (folder / "recognition" / "variables").rglob("*") if p.is_file()]
    cut(max(files, key=lambda p: p.stat().st_size))


def flip_a_bit_of_the_variables(folder):
    files = [p for p in (folder / "detection" / "variables").rglob("*") if p.is_file()]
    path = max(files, key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_models(folder):
    (folder / "detection").rename(folder / "other")
    (folder / "recognition").rename(folder / "detection")
    (folder / "other").rename(folder / "recognition")


def pickle_description(folder):
    (folder / "deep_ocr.json").write_bytes(pickle.dumps({"format": "deepocr_jax handle"}))


def pickle_variables(folder):
    shutil.rmtree(folder / "recognition" / "variables")
    (folder / "recognition" / "variables").write_bytes(pickle.dumps({"params": {}}))


def in_parameters(name, value):
    return lambda folder: edit(
        folder / "deep_ocr.json", lambda d: d["parameters"].update({name: value})
    )


DAMAGES = {
    "no folder": shutil.rmtree,
    "a file instead": lambda f: (shutil.rmtree(f), f.write_bytes(b"{}")),
    "empty folder": lambda f: (shutil.rmtree(f), f.mkdir()),
    "no description": lambda f: (f / "deep_ocr.json").unlink(),
    "truncated description": lambda f: cut(f / "deep_ocr.json"),
    "empty description": lambda f: (f / "deep_ocr.json").write_text(""),
    "binary description": lambda f: (f / "deep_ocr.json").write_bytes(b"\xff\xfe\x00"),
    "foreign description": lambda f: (f / "deep_ocr.json").write_text('{"name": "app"}'),
    "a list as description": lambda f: (f / "deep_ocr.json").write_text("[1, 2]"),
    "newer version": lambda f: edit(f / "deep_ocr.json", lambda d: d.update(version=99)),
    "no parameters": lambda f: edit(f / "deep_ocr.json", lambda d: d.pop("parameters")),
    "parameters as a list": lambda f: edit(f / "deep_ocr.json", lambda d: d.update(parameters=[1])),
    "no components": lambda f: edit(f / "deep_ocr.json", lambda d: d.pop("components")),
    "unknown component": lambda f: edit(
        f / "deep_ocr.json", lambda d: d["components"].append("translation")
    ),
    "unknown parameter": in_parameters("surprise", 1),
    "parameter of the wrong type": in_parameters("detection_image_width", "wide"),
    "parameter out of range": in_parameters("detection_min_character_score", 7),
    "unknown character": in_parameters("recognition_alphabet", ["0", "中"]),
    "mapping out of range": in_parameters("recognition_alphabet_mapping", [99]),
    "no model": lambda f: shutil.rmtree(f / "detection"),
    "model without description": lambda f: (f / "recognition" / "model.json").unlink(),
    "truncated model description": lambda f: cut(f / "recognition" / "model.json"),
    "no alphabet": lambda f: edit(f / "recognition" / "model.json", lambda d: d.pop("alphabet")),
    "spec with an unknown entry": lambda f: edit(
        f / "recognition" / "model.json", lambda d: d["spec"].update(surprise=1)
    ),
    "spec without an entry": lambda f: edit(
        f / "detection" / "model.json", lambda d: d["spec"].pop("backbone")
    ),
    "no variables": lambda f: shutil.rmtree(f / "recognition" / "variables"),
    "truncated variables": cut_variables,
    "changed variables": flip_a_bit_of_the_variables,
    "models in each other's place": swap_models,
    "a pickle as description": pickle_description,
    "a pickle as variables": pickle_variables,
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damaged_folder_is_refused(folder, damage):
    DAMAGES[damage](folder)
    with pytest.raises(ModelFileError) as caught:
        read_deep_ocr(folder)
    assert str(folder) in str(caught.value)


def test_the_network_that_looks_is_had_when_it_is_asked_for(tiny_handle, tmp_path):
    assert tiny_handle.state.text_axes is None and tiny_handle.state.nets.looks is None
    set_deep_ocr_param(tiny_handle, "detection_look", False)
    assert tiny_handle.state.text_axes is None
    set_deep_ocr_param(tiny_handle, "detection_look", True)
    assert tiny_handle.state.nets.looks is not None
    write_deep_ocr(tiny_handle, tmp_path / "handle")
    again = read_deep_ocr(tmp_path / "handle")
    assert_same_handle(again, tiny_handle)
    assert again.state.nets.looks is not None
    file = tmp_path / "handle" / "deep_ocr.json"
    description = json.loads(file.read_text())
    description["components"].remove("text_axes")
    file.write_text(json.dumps(description))
    with pytest.raises(ModelFileError, match="text_axes"):
        read_deep_ocr(tmp_path / "handle")
