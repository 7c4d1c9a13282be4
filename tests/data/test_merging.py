from __future__ import annotations

import pytest

from deepocr_jax.data.merging import merge_dl_datasets
from deepocr_jax.errors import DatasetError


def dataset(folder, *names):
    samples = [{"image_id": i, "image_file_name": n, "word": n} for i, n in enumerate(names)]
    return {"image_dir": str(folder), "samples": samples}


def test_files_are_found_and_ids_are_unique(tmp_path):
    merged = merge_dl_datasets(
        [dataset(tmp_path / "a", "x.png", "y.png"), dataset(tmp_path / "b" / "c", "sub/x.png")]
    )
    assert merged["image_dir"] == str(tmp_path)
    names = [s["image_file_name"] for s in merged["samples"]]
    assert names == ["a/x.png", "a/y.png", "b/c/sub/x.png"]
    assert [s["image_id"] for s in merged["samples"]] == [1, 2, 3]
    assert [s["word"] for s in merged["samples"]] == ["x.png", "y.png", "sub/x.png"]


def test_faulty_names_stay_for_the_checks(tmp_path):
    wrong = dataset(tmp_path / "a", "/etc/passwd", "../x.png", "")
    merged = merge_dl_datasets([wrong, dataset(tmp_path / "b", "y.png")])
    names = [s["image_file_name"] for s in merged["samples"]]
    assert names == ["/etc/passwd", "a/../x.png", "", "b/y.png"]


def test_one_dataset_stays_as_it_is(tmp_path):
    alone = dataset(tmp_path, "x.png")
    assert merge_dl_datasets([alone]) is alone


def test_nothing_and_preprocessed_ones_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="at least"):
        merge_dl_datasets([])
    done = {**dataset(tmp_path, "x.png"), "dlsample_dir": str(tmp_path)}
    with pytest.raises(DatasetError, match="before preprocessing"):
        merge_dl_datasets([done, dataset(tmp_path, "y.png")])
