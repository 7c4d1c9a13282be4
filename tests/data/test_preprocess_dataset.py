import copy
import json
import os

import numpy as np
import pytest
from small_datasets import make_image, make_pages, make_words

from deepocr_jax.data.dataset_files import read_dl_dataset
from deepocr_jax.data.preprocess import create_dl_preprocess_param, preprocess_dl_samples
from deepocr_jax.data.preprocess_dataset import preprocess_dl_dataset
from deepocr_jax.data.samples import gen_dl_samples, read_dl_samples
from deepocr_jax.errors import DatasetError, UnknownParameterError

PARAM = create_dl_preprocess_param("ocr_recognition", 640, 48)


def run(dataset, folder, mode="false", param=PARAM, **others):
    return preprocess_dl_dataset(dataset, folder, param, mode, show_progress=False, **others)


def times(folder):
    return {p.name: p.stat().st_mtime_ns for p in (folder / "samples").iterdir()}


def age(folder):
    for path in (folder / "samples").iterdir():
        os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("make", [make_words, make_pages])
def test_what_is_written(make, tmp_path):
    dataset = make(tmp_path)
    before = copy.deepcopy(dataset)
    path = run(dataset, tmp_path / "new")
    assert dataset == before
    assert path == tmp_path / "new" / "dl_dataset.json"
    assert json.loads((tmp_path / "new" / "dl_preprocess_param.json").read_text()) == PARAM
    new = read_dl_dataset(path)
    assert new["preprocess_param"] == PARAM
    assert new["dlsample_dir"] == str(tmp_path / "new" / "samples")
    every = range(len(dataset["samples"]))
    expected = preprocess_dl_samples(gen_dl_samples(dataset, every), PARAM)
    for got, sample in zip(read_dl_samples(new, every), expected, strict=True):
        assert got.keys() == sample.keys()
        np.testing.assert_array_equal(got["image"], sample["image"])


def test_the_folder_can_move(tmp_path):
    run(make_words(tmp_path), tmp_path / "new")
    (tmp_path / "new").rename(tmp_path / "moved")
    new = read_dl_dataset(tmp_path / "moved" / "dl_dataset.json")
    assert len(read_dl_samples(new, range(6))) == 6


def test_files_from_before(tmp_path):
    dataset, folder = make_words(tmp_path), tmp_path / "new"
    run(dataset, folder)
    with pytest.raises(DatasetError, match="'auto'"):
        run(dataset, folder)
    age(folder)
    run(dataset, folder, "auto")
    assert set(times(folder).values()) == {1}
    run(dataset, folder, "true")
    assert 1 not in times(folder).values()


def test_auto_makes_what_has_changed(tmp_path):
    dataset, folder = make_words(tmp_path), tmp_path / "new"
    run(dataset, folder)
    age(folder)
    dataset["samples"][0]["word"] = "other"
    dataset["samples"][1]["split"] = "train"
    make_image(99).save(tmp_path / "images" / "w2.png")
    (folder / "samples" / "4_dlsample.npz").write_bytes(b"damaged")
    (folder / "samples" / "5_dlsample.npz").unlink()
    new = read_dl_dataset(run(dataset, folder, "auto"))
    kept = {name for name, time in times(folder).items() if time == 1}
    assert kept == {"2_dlsample.npz", "6_dlsample.npz"}
    assert read_dl_samples(new, [0])[0]["word"] == "other"
    run(dataset, folder, "auto", create_dl_preprocess_param("ocr_recognition", 320, 48))
    assert 1 not in times(folder).values()


def test_faulty_samples(tmp_path):
    dataset, folder = make_words(tmp_path), tmp_path / "new"
    (tmp_path / "images" / "w1.png").unlink()
    (tmp_path / "images" / "w2.png").write_bytes(b"")
    dataset["samples"][3]["image_file_name"] = "../w3.png"
    with pytest.raises(DatasetError, match="3 of 6 samples") as caught:
        run(dataset, folder)
    assert [f.index for f in caught.value.faults] == [1, 2, 3]
    assert [f.kind for f in caught.value.faults][:2] == ["missing_file", "unreadable_image"]
    assert sorted(times(folder)) == ["1_dlsample.npz", "5_dlsample.npz", "6_dlsample.npz"]
    assert not (folder / "dl_dataset.json").exists()
    with pytest.warns(UserWarning, match="3 of 6 samples were left out"):
        new = read_dl_dataset(run(dataset, folder, "auto", skip_faulty=True))
    assert [s["image_id"] for s in new["samples"]] == [1, 5, 6]


def test_what_cannot_begin(tmp_path):
    dataset = make_words(tmp_path)
    with pytest.raises(DatasetError, match="overwrite_files"):
        run(dataset, tmp_path / "new", True)
    with pytest.raises(UnknownParameterError):
        run(dataset, tmp_path / "new", param={**PARAM, "x": 1})
    with pytest.raises(DatasetError, match="without"):
        run({**dataset, "samples": []}, tmp_path / "new")
    dataset["samples"][3]["image_id"] = 2
    with pytest.raises(DatasetError, match="unique image_ids"):
        run(dataset, tmp_path / "new")
