from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deepocr_jax.data.page_crops import PageCropOptions, PageCrops
from deepocr_jax.errors import DatasetError, ParameterValueError

PLAIN = PageCropOptions(
    side=128, page_side=400, scale_variation=0.2, rotate_range=20.0,
    brightness_variation=0.0, contrast_variation=0.0,
)  # fmt: skip
# Words are bright bars.
WORDS = [
    (60.0, 90.0, 0.0, 40.0, 9.0),
    (150.0, 200.0, 0.5, 45.0, 10.0),
    (250.0, 300.0, 0.0, 30.0, 8.0),
]


def bar(image, box, value):
    row, col, phi, length1, length2 = box
    corners = cv2.boxPoints(((col, row), (2 * length1, 2 * length2), -np.degrees(phi)))
    cv2.fillPoly(image, [np.rint(corners * 16).astype(int)], (value,) * 3, cv2.LINE_AA, 4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("pages")
    samples = []
    for number in range(3):
        image = np.zeros((300, 400, 3), np.uint8)
        for box in WORDS:
            bar(image, box, 200)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        sample = {
            "image_id": number, "image_file_name": f"{number}.png", "split": "train",
            "bbox_label_id": [0, 0, 2],
            "label_custom_data": [{"text": t} for t in ("ABCD", "EF", "#")],
        }  # fmt: skip
        for k, key in enumerate(("row", "col", "phi", "length1", "length2")):
            sample[f"bbox_{key}"] = [box[k] for box in WORDS]
        samples.append(sample)
    return {
        "image_dir": str(folder), "samples": samples,
        "class_ids": [0, 1, 2], "class_names": ["word", "char", "ignore"],
    }  # fmt: skip


def test_cells_lie_on_their_words(dataset):
    crops = PageCrops(dataset, "train", PLAIN)
    seen = 0
    for number in range(12):
        part = crops.part(number)
        assert part["images"].shape == (128, 128, 3)
        shown = np.flatnonzero(part["visible"])
        for quad in part["quads"][shown]:
            mask = np.zeros((128, 128), np.uint8)
            inner = quad.mean(axis=0) + 0.8 * (quad - quad.mean(axis=0)) - 0.5
            cv2.fillPoly(mask, [np.rint(inner).astype(int)], 1)
            assert part["images"][mask > 0].mean() > 150
            seen += 1
        # A word's cells follow each other in the direction of reading.
        for word in np.unique(part["words"][shown]):
            cells = part["quads"][part["words"] == word]
            steps = np.diff(cells.mean(axis=1), axis=0)
            along = (cells[:, 1] - cells[:, 0])[:-1]
            assert (np.sum(steps * along, axis=1) > 0).all()
    assert seen > 20


def test_an_epoch_takes_each_page_once_and_parts_depend_on_their_number_alone(dataset):
    crops = PageCrops(dataset, "train", PLAIN, seed=3)
    ids = [int(crops.part(n)["image_id"]) for n in range(9)]
    assert [sorted(ids[k : k + 3]) for k in (0, 3, 6)] == [[0, 1, 2]] * 3
    again = PageCrops(dataset, "train", PLAIN, seed=3)
    for name, value in again.part(7).items():
        np.testing.assert_array_equal(value, crops.part(7)[name])
    other = PageCrops(dataset, "train", PLAIN, seed=4)
    assert any(
        not np.array_equal(other.part(n)["images"], crops.part(n)["images"]) for n in range(3)
    )


def test_batches_go_on_at_any_step(dataset):
    crops = PageCrops(dataset, "train", PLAIN)
    whole = list(crops.batches(2, 0, 4))
    rest = list(crops.batches(2, 2, 4))
    for expected, actual in zip(whole[2:], rest, strict=True):
        for name in ("images", "quads", "words", "visible", "image_id"):
            np.testing.assert_array_equal(expected[name], actual[name])
    assert whole[0]["quads"].shape == (2, 2048, 4, 2) and whole[0]["weak"].tolist() == [1, 1]


def test_ignored_and_cut_words_are_not_visible(dataset):
    crops = PageCrops(dataset, "train", PLAIN)
    for number in range(12):
        part = crops.part(number)
        quads = part["quads"][part["visible"]]
        assert quads.size == 0 or (quads.min() > -1 and quads.max() < 129)
        ignored = part["words"] == part["words"].max() if (part["words"] >= 0).any() else []
        lone = [
            k for k in np.flatnonzero(ignored) if np.sum(part["words"] == part["words"][k]) == 1
        ]
        assert not part["visible"][lone].any()


def test_what_cannot_be_learned_from_is_refused(dataset):
    with pytest.raises(DatasetError, match="split == 'test'"):
        PageCrops(dataset, "test", PLAIN)
    with pytest.raises(ParameterValueError, match="multiple of 32"):
        PageCrops(dataset, "train", PageCropOptions(side=100))
    few = PageCropOptions(side=256, page_side=400, characters=2)
    with pytest.raises(DatasetError, match="at most 2 characters"):
        for number in range(6):
            PageCrops(dataset, "train", few).part(number)
    silent = {
        **dataset,
        "samples": [
            {k: v for k, v in s.items() if k != "label_custom_data"} for s in dataset["samples"]
        ],
    }
    with pytest.raises(DatasetError, match="label_custom_data"):
        PageCrops(silent, "train", PLAIN)
