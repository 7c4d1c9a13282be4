from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_datasets import make_pages, make_words

from deepocr_jax.data import sources
from deepocr_jax.data.preprocess import create_dl_preprocess_param
from deepocr_jax.data.preprocess_dataset import preprocess_dl_dataset
from deepocr_jax.data.samples import gen_dl_samples
from deepocr_jax.data.sources import ArraySource, DatasetSource
from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.errors import DatasetError

MAKERS = [make_words, make_pages]


def preprocess(dataset, folder, width=2048):
    from deepocr_jax.data.dataset_files import read_dl_dataset

    param = create_dl_preprocess_param("ocr_recognition", width, 48)
    return read_dl_dataset(preprocess_dl_dataset(dataset, folder, param, show_progress=False))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("cache_bytes", [0, 20_000, 2**30])
def test_crops_are_those_of_the_samples(make, cache_bytes, tmp_path):
    dataset = make(tmp_path)
    source = DatasetSource(dataset, cache_bytes=cache_bytes)
    samples = gen_dl_samples(dataset, range(len(dataset["samples"])))
    assert len(source) == len(samples)
    for turn in range(2):
        for index, sample in enumerate(samples):
            crop = source.crop(index)
            assert crop.shape == (48, source.widths[index], 3)
            np.testing.assert_array_equal(crop, scale_crop(sample["image"]), str(turn))
            assert source.word(index) == sample["word"]
            assert source.ids[index] == sample["image_id"]


@pytest.mark.parametrize("make", MAKERS)
def test_preprocessed_samples_give_the_same(make, tmp_path):
    dataset = make(tmp_path)
    plain, ready = DatasetSource(dataset), DatasetSource(preprocess(dataset, tmp_path / "new"))
    np.testing.assert_array_equal(plain.widths, ready.widths)
    for index in range(len(plain)):
        np.testing.assert_array_equal(plain.crop(index), ready.crop(index))


def test_an_image_is_decoded_once_for_its_words(tmp_path, monkeypatch):
    read, real = [], sources.read_image
    monkeypatch.setattr(sources, "read_image", lambda path: read.append(path) or real(path))
    source = DatasetSource(make_pages(tmp_path, pages=2, words=3))
    for index in (4, 0, 3, 5, 2, 1):
        source.crop(index)
    assert len(read) == 2


def test_boxes_need_no_image_for_their_width(tmp_path):
    dataset = make_pages(tmp_path)
    widths = DatasetSource(dataset).widths
    for path in (tmp_path / "images").iterdir():
        path.write_bytes(b"")
    np.testing.assert_array_equal(DatasetSource(dataset).widths, widths)


def test_threads_get_the_same_crops(tmp_path):
    source = DatasetSource(make_pages(tmp_path), cache_bytes=30_000)
    alone = [DatasetSource(source._dataset).crop(i).copy() for i in range(len(source))]
    with ThreadPoolExecutor(4) as pool:
        for index, crop in enumerate(pool.map(source.crop, list(range(len(source))) * 5)):
            np.testing.assert_array_equal(crop, alone[index % len(source)])


def test_crops_cannot_be_changed(tmp_path):
    source = DatasetSource(make_words(tmp_path))
    with pytest.raises(ValueError, match="read-only"):
        source.crop(0)[:] = 0


def test_splits_and_indices(tmp_path):
    dataset = make_words(tmp_path, split=lambda i: "train" if i < 4 else "test")
    assert list(DatasetSource(dataset, "test").ids) == [5, 6]
    assert list(DatasetSource(dataset, [3, 0]).ids) == [4, 1]
    for choice, words in [("validation", "has none"), ("tets", "one of the splits"), ([9], "9")]:
        with pytest.raises(DatasetError, match=words):
            DatasetSource(dataset, choice)


def test_wide_crops_are_squeezed(tmp_path):
    dataset = make_words(tmp_path)
    source = DatasetSource(dataset, image_width=200)
    assert max(source.widths) == 200
    assert source.crop(5).shape == (48, 200, 3)


def test_samples_preprocessed_for_another_width(tmp_path):
    dataset = preprocess(make_words(tmp_path), tmp_path / "new", 320)
    assert len(DatasetSource(dataset, image_width=320)) == 6
    with pytest.raises(DatasetError, match="preprocess the dataset again"):
        DatasetSource(dataset, image_width=640)


def test_a_file_that_changes_or_goes(tmp_path):
    dataset = make_words(tmp_path)
    source = DatasetSource(dataset)
    images = tmp_path / "images"
    (images / "w1.png").unlink()
    (images / "w2.png").write_bytes((images / "w5.png").read_bytes())
    (images / "w3.png").write_bytes((images / "w3.png").read_bytes()[:90])
    for index, words in [(1, "sample 2 .*no image file"), (2, "sample 3 .*changed"), (3, "4")]:
        with pytest.raises(DatasetError, match=words):
            source.crop(index)


def test_whole_images_are_refused(tmp_path):
    dataset = make_words(tmp_path)
    del dataset["samples"][2]["word"]
    with pytest.raises(DatasetError, match="read_dl_dataset_ocr_recognition"):
        DatasetSource(dataset)


def test_arrays():
    crops = [np.zeros((48, w, 3), np.uint8) for w in (8, 70)]
    source = ArraySource(crops, ["a", "b"], [5, 9])
    assert source.widths.tolist() == [8, 70] and source.crop(1) is crops[1]
    assert [source.word(1), source.ids[1], len(source)] == ["b", 9, 2]
    with pytest.raises(DatasetError, match="2 crops, 1 words"):
        ArraySource(crops, ["a"])
    with pytest.raises(DatasetError, match="crop 0"):
        ArraySource([np.zeros((32, 70, 3), np.uint8)], ["a"])
