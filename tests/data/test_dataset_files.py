from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.data.dataset_files import read_dl_dataset, write_dl_dataset
from deepocr_jax.errors import DatasetError

SAMPLE = {"image_file_name": "a.png", "image_id": 1, "word": "Größe €"}


@pytest.mark.parametrize("content", ["", "{", '{"samples": [}', "[1, 2]", "7", "null", "\x00"])
def test_what_is_no_object_is_refused(tmp_path, content):
    file = tmp_path / "d.json"
    file.write_text(content)
    with pytest.raises(DatasetError, match=r"d\.json"):
        read_dl_dataset(file)


@pytest.mark.parametrize("samples", [None, [], {}, "abc"])
def test_a_dataset_without_samples_is_refused(tmp_path, samples):
    file = tmp_path / "d.json"
    file.write_text(json.dumps({"image_dir": "images", "samples": samples}))
    with pytest.raises(DatasetError, match="samples"):
        read_dl_dataset(file)
    with pytest.raises(DatasetError, match="samples"):
        write_dl_dataset({"samples": samples}, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_other_broken_files(tmp_path):
    file = tmp_path / "d.json"
    with pytest.raises(DatasetError, match="Cannot read"):
        read_dl_dataset(file)
    with pytest.raises(DatasetError, match="Cannot read"):
        read_dl_dataset(tmp_path)
    file.write_bytes(b'{"samples": "\xff"}')
    with pytest.raises(DatasetError, match="offset 13"):
        read_dl_dataset(file)
    file.write_text("[" * 100_000)
    with pytest.raises(DatasetError):
        read_dl_dataset(file)
    file.write_text('{"samples": [' + "1" * 5000 + "]}")
    with pytest.raises(DatasetError):
        read_dl_dataset(file)


def test_the_place_of_a_syntax_error_is_named(tmp_path):
    file = tmp_path / "d.json"
    file.write_text('{"image_dir": "x",\n "samples": [,]}')
    with pytest.raises(DatasetError, match="line 2, column 14"):
        read_dl_dataset(file)


def test_relative_folders_are_relative_to_the_file(tmp_path, monkeypatch):
    folder = tmp_path / "a" / "set"
    folder.mkdir(parents=True)
    content = {"image_dir": "images", "dlsample_dir": "../samples", "anomaly_dir": "/far/away"}
    (folder / "d.json").write_text(json.dumps({**content, "samples": [SAMPLE]}))
    monkeypatch.chdir(tmp_path)
    dataset = read_dl_dataset("a/set/d.json")
    assert dataset["image_dir"] == str(folder / "images")
    assert dataset["dlsample_dir"] == str(tmp_path / "a" / "samples")
    assert dataset["anomaly_dir"] == "/far/away"
    write_dl_dataset(dataset, folder / "again.json")
    assert json.loads((folder / "again.json").read_text()) == {**content, "samples": [SAMPLE]}


def test_a_written_dataset_can_move_with_its_images(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    write_dl_dataset({"image_dir": str(old / "images"), "samples": [SAMPLE]}, old / "d.json")
    old.rename(new)
    assert read_dl_dataset(new / "d.json")["image_dir"] == str(new / "images")


def test_numpy_becomes_plain(tmp_path):
    sample = {**SAMPLE, "image_id": np.int64(1), "bbox_row": np.arange(2.0), "x": np.float32(0.5)}
    write_dl_dataset({"image_dir": tmp_path, "samples": (sample,)}, tmp_path / "d.json")
    text = (tmp_path / "d.json").read_text("utf-8")
    assert "Größe €" in text
    read = read_dl_dataset(tmp_path / "d.json")
    assert read["samples"] == [{**SAMPLE, "bbox_row": [0.0, 1.0], "x": 0.5}]
    assert read["image_dir"] == str(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "finite"), (np.float32("inf"), "finite"), (object(), "JSON"), ({1: 2}, "keys")],
)
def test_what_json_cannot_hold_leaves_the_old_file(tmp_path, value, message):
    file = tmp_path / "d.json"
    file.write_text("old")
    with pytest.raises(DatasetError, match=message) as caught:
        write_dl_dataset({"samples": [SAMPLE, {"bbox_row": [1, value]}]}, file)
    assert "dataset['samples'][1]['bbox_row'][1]" in str(caught.value)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["d.json"]


def test_an_unwritable_place_is_named(tmp_path):
    with pytest.raises(DatasetError, match="Cannot write"):
        write_dl_dataset({"samples": [SAMPLE]}, tmp_path / "none" / "d.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatasetError, match="Cannot write"):
        write_dl_dataset({"samples": [SAMPLE]}, tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False) | st.just("\udcff.png"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(samples=st.lists(plain, min_size=1, max_size=4), extra=plain)
def test_round_trip(tmp_path_factory, samples, extra):
    file = tmp_path_factory.mktemp("d") / "d.json"
    dataset = {"image_dir": str(file.parent / "x"), "samples": samples, "custom": extra}
    write_dl_dataset(dataset, file)
    assert read_dl_dataset(file) == dataset
