import numpy as np
import pytest
from PIL import Image
from small_datasets import make_image, make_pages, make_words

from deepocr_jax.data.samples import (
    find_dl_samples,
    gen_dl_samples,
    gen_dl_samples_from_images,
    read_dl_samples,
    write_dl_samples,
)
from deepocr_jax.errors import DatasetError, ImageFormatError, ImageReadError
from deepocr_jax.geometry.crops import crop_box
from deepocr_jax.image import read_image


def test_samples_of_crops(tmp_path):
    dataset = make_words(tmp_path, split=lambda i: "train")
    samples = gen_dl_samples(dataset, [2, 0, 2])
    assert [s["word"] for s in samples] == ["w2", "w0", "w2"]
    assert set(samples[0]) == {"image", "image_id", "word"}
    np.testing.assert_array_equal(samples[0]["image"], read_image(tmp_path / "images/w2.png"))
    samples[0]["image"][:] = 0
    assert samples[2]["image"].any()


def test_samples_of_boxes(tmp_path):
    dataset = make_pages(tmp_path)
    [sample] = gen_dl_samples(dataset, [4])
    page = read_image(tmp_path / "images/p1.png")
    box = np.array([50.0, 100.0, 0.1, 45.0, 9.3])
    np.testing.assert_array_equal(sample["image"], crop_box(page, box, 19, 90))
    assert set(sample) == {"image", "image_id", "word"}


def test_only_some_entries(tmp_path):
    dataset = make_words(tmp_path)
    (tmp_path / "images/w1.png").unlink()
    assert gen_dl_samples(dataset, [1], ["word"]) == [{"word": "w1"}]
    with pytest.raises(ImageReadError):
        gen_dl_samples(dataset, [1])
    for index in (6, -1):
        with pytest.raises(DatasetError, match="6 samples"):
            gen_dl_samples(dataset, [index])


def test_labels_of_the_other_methods(tmp_path):
    make_image(0).save(tmp_path / "a.png")
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(mask).save(tmp_path / "m.png")
    folder = str(tmp_path)
    dataset = {
        "image_dir": folder,
        "segmentation_dir": folder,
        "anomaly_dir": folder,
        "class_names": ["ok", "nok"],
        "class_ids": [3, 5],
        "samples": [
            {
                "image_file_name": "a.png",
                "image_id": 1,
                "segmentation_file_name": "m.png",
                "anomaly_file_name": "m.png",
                "anomaly_label": "nok",
                "image_label_id": [3],
                "bbox_row": [1.0],
            }
        ],
    }
    [sample] = gen_dl_samples(dataset, [0])
    np.testing.assert_array_equal(sample["segmentation_image"], mask)
    np.testing.assert_array_equal(sample["anomaly_ground_truth"], mask > 0)
    assert sample["anomaly_label_id"] == 5
    assert sample["image_label_id"] == [3] and sample["bbox_row"] == [1.0]
    dataset["samples"][0]["anomaly_label"] = "bad"
    with pytest.raises(DatasetError, match="anomaly_label"):
        gen_dl_samples(dataset, [0])
    del dataset["samples"][0]["anomaly_label"]
    dataset["samples"][0]["segmentation_file_name"] = "a.png"
    with pytest.raises(DatasetError, match="one channel"):
        gen_dl_samples(dataset, [0])


def test_samples_of_images():
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for images in ([gray], gray, np.stack([gray] * 3, -1), gray[None, :, :, None]):
        [sample] = gen_dl_samples_from_images(images)
        assert sample["image"].shape == (3, 4, 3)
    with pytest.raises(ImageFormatError):
        gen_dl_samples_from_images([np.zeros((3, 4), complex)])


def test_written_samples_come_back(tmp_path):
    dataset = make_words(tmp_path) | {"dlsample_dir": str(tmp_path / "s")}
    samples = gen_dl_samples(dataset, [0, 3])
    samples[0] |= {
        "bbox_row": [0.1, 1 / 3],
        "bbox_label_id": [np.int64(3)],
        "weight_image": np.ones((2, 2), np.float32),
        "label_custom_data": [{"text": "Ünï\ud800"[:3]}],
    }
    assert write_dl_samples(dataset, [0, 3], samples) == ["1_dlsample.npz", "4_dlsample.npz"]
    assert dataset["samples"][3]["dlsample_file_name"] == "4_dlsample.npz"
    for old, new in zip(samples, read_dl_samples(dataset, [0, 3]), strict=True):
        assert old.keys() == new.keys()
        for key, value in old.items():
            np.testing.assert_array_equal(value, new[key])
            assert isinstance(value, np.ndarray) == isinstance(new[key], np.ndarray)
    assert new["image"].dtype == np.uint8
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
        "1_dlsample.npz",
        "4_dlsample.npz",
    ]


def test_samples_that_cannot_be_written(tmp_path):
    dataset = make_words(tmp_path)
    samples = gen_dl_samples(dataset, [0])
    with pytest.raises(DatasetError, match="folder"):
        write_dl_samples(dataset, [0], samples)
    dataset["dlsample_dir"] = str(tmp_path / "s")
    for indices, sample, words in [
        ([1], samples[0], "one order"),
        ([0, 1], samples[0], "one sample for each"),
        ([0], {**samples[0], "x": {1, 2}}, "neither"),
        ([0], {**samples[0], "x": np.array(["a", None])}, "neither"),
        ([0], {**samples[0], "x": float("nan")}, "neither"),
    ]:
        with pytest.raises(DatasetError, match=words):
            write_dl_samples(dataset, indices, [sample])
    assert not list((tmp_path / "s").glob("*"))


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "foreign", "pickle", "folder"])
def test_damaged_sample_files(damage, tmp_path):
    dataset = make_words(tmp_path) | {"dlsample_dir": str(tmp_path / "s")}
    write_dl_samples(dataset, [0], gen_dl_samples(dataset, [0]))
    path = tmp_path / "s" / "1_dlsample.npz"
    data = path.read_bytes()
    path.unlink()
    if damage == "empty":
        path.write_bytes(b"")
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    if damage == "foreign":
        np.savez(path, a=np.zeros(3))
    if damage == "pickle":
        np.savez(path, entries=np.array([{"a": 1}], object))
    if damage == "folder":
        path.mkdir()
    with pytest.raises(DatasetError, match="1_dlsample.npz"):
        read_dl_samples(dataset, [0])
    with pytest.raises(DatasetError, match="preprocess_dl_dataset"):
        read_dl_samples(dataset, [1])


def test_find():
    samples = [
        {"split": "train", "image_label_id": [1, 2]},
        {"split": "test", "image_label_id": [2]},
        {"split": "train"},
        {"image_label_id": [3, 2, 1]},
    ]
    assert find_dl_samples(samples, "split", "train") == [0, 2]
    assert find_dl_samples(samples, "split", ["train", "test"], "or") == [0, 1, 2]
    assert find_dl_samples(samples, "image_label_id", [1, 2]) == [0]
    assert find_dl_samples(samples, "image_label_id", [1, 3], "or") == [0, 3]
    assert find_dl_samples(samples, "image_label_id", [2, 1], "contain") == [0, 3]
    assert find_dl_samples(samples, "image_label_id", 2) == [1]
    assert find_dl_samples(samples, "nothing", 2) == []
    with pytest.raises(DatasetError, match="'match'"):
        find_dl_samples(samples, "split", 2, "and")
