from __future__ import annotations

import pytest

from deepocr_jax.data.statistics import gen_dl_dataset_ocr_recognition_statistics as statistics
from deepocr_jax.errors import DatasetError


def test_counts_and_ratios():
    result = statistics({"samples": [{"word": "aab"}, {"word": "b a"}, {"image_id": 3}]})
    assert result == {
        "chars": {
            " ": {"count": 1, "average_ratio": 0.5},
            "a": {"count": 3, "average_ratio": 1.5},
            "b": {"count": 2, "average_ratio": 1.0},
        },
        "charset": [" ", "a", "b"],
        "charset_size": 3,
        "occurrences_count": 6,
        "occurrences_average": 2.0,
    }


def test_rare_characters_are_warned_of():
    samples = [{"word": "a" * 100}, {"word": "bbb"}, {"word": "c" * 10}]
    with pytest.warns(UserWarning, match=r"1 of 3 characters are rare .*'b' \(3\)"):
        result = statistics({"samples": samples})
    assert result["chars"]["b"]["average_ratio"] < 0.1


def test_whole_images_are_taken():
    sample = {f"bbox_{k}": [5.0, 5.0] for k in ("row", "col", "phi", "length1", "length2")}
    sample |= {"image_file_name": "a", "image_id": 1, "bbox_label_id": [0, 1]}
    sample["label_custom_data"] = [{"text": "ab"}, {"text": "xyz"}]
    dataset = {"image_dir": "x", "class_names": ["word", "ignore"], "class_ids": [0, 1]}
    assert statistics({**dataset, "samples": [sample]})["charset"] == ["a", "b"]


@pytest.mark.parametrize("samples", [[], [{}], [None], [{"word": 5}], [{"word": ""}]])
def test_no_words_is_an_error(samples):
    with pytest.raises(DatasetError, match="word"):
        statistics({"samples": samples})
