import numpy as np
import pytest
from PIL import Image
from small_datasets import make_image, make_pages, make_words

from deepocr_jax.data.samples import gen_dl_samples
from deepocr_jax.errors import DatasetError
from deepocr_jax.image import read_image

tf = pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

from deepocr_jax.data.tfds_files import from_tfds, to_tfds  # noqa: E402

TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def images_by_id(dataset):
    samples = gen_dl_samples(dataset, range(len(dataset["samples"])))
    return {s["image_id"]: s["image"] for s in samples}


def test_round_trip(tmp_path):
    dataset = make_words(tmp_path, 7, split=lambda i: "train" if i < 5 else "test")
    dataset |= {"class_names": ["a"], "class_ids": [0]}
    dataset["samples"][0] |= {"image_label_id": [0], "extra": {"ü": [0.1, None]}}
    folder = to_tfds(dataset, tmp_path / "t", shards=3)
    assert len(list(folder.glob("*.tfrecord*"))) == 5
    builder = tfds.builder_from_directory(str(folder))
    assert {k: v.num_examples for k, v in builder.info.splits.items()} == {"train": 5, "test": 2}
    [first, *_] = tfds.as_numpy(builder.as_dataset(split="train"))
    np.testing.assert_array_equal(first["image"], read_image(tmp_path / "images" / "w0.png"))
    new = from_tfds(folder, tmp_path / "back")
    assert new["class_names"] == ["a"]
    old = {s["image_id"]: s for s in dataset["samples"]}
    assert len(new["samples"]) == 7
    for sample in new["samples"]:
        expected = dict(old[sample["image_id"]])
        source = tmp_path / "images" / expected.pop("image_file_name")
        stored = tmp_path / "back" / sample.pop("image_file_name")
        assert stored.read_bytes() == source.read_bytes()
        assert sample == expected


def test_shards_of_many_processes(tmp_path):
    dataset = make_words(tmp_path, 7, split=lambda i: "train" if i < 4 else "test")
    folder = to_tfds(dataset, tmp_path / "t", shards=2)
    parts = [from_tfds(folder, tmp_path / "back", shard=(i, 3)) for i in range(3)]
    ids = [s["image_id"] for part in parts for s in part["samples"]]
    assert sorted(ids) == list(range(1, 8))
    assert max(len(p["samples"]) for p in parts) < 7
    assert [s["split"] for s in from_tfds(folder, tmp_path / "b", "test")["samples"]] == [
        "test"
    ] * 3
    for shard in [(3, 3), (-1, 2), (0, 0)]:
        with pytest.raises(DatasetError, match="shard"):
            from_tfds(folder, tmp_path / "back", shard=shard)


def test_images_that_others_would_see_differently(tmp_path):
    dataset = make_words(tmp_path, 4)
    images = tmp_path / "images"
    exif = Image.Exif()
    exif[0x0112] = 6
    make_image(1).save(images / "turned.jpg", exif=exif)
    make_image(2).convert("RGBA").save(images / "alpha.png")
    Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70).save(images / "deep.png")
    make_image(3).save(images / "a.tif")
    for sample, name in zip(
        dataset["samples"], ("turned.jpg", "alpha.png", "deep.png", "a.tif"), strict=True
    ):
        sample["image_file_name"] = name
    folder = to_tfds(dataset, tmp_path / "t")
    decoded = {
        int(e["image_id"]): e["image"]
        for e in tfds.as_numpy(tfds.builder_from_directory(str(folder)).as_dataset(split="unsplit"))
    }
    back = images_by_id(from_tfds(folder, tmp_path / "back"))
    for image_id, image in images_by_id(dataset).items():
        np.testing.assert_array_equal(decoded[image_id], image)
        np.testing.assert_array_equal(back[image_id], image)


def test_boxes_become_crops(tmp_path):
    dataset = make_pages(tmp_path)
    new = from_tfds(to_tfds(dataset, tmp_path / "t"), tmp_path / "back")
    assert {s["word"] for s in new["samples"]} == {s["word"] for s in dataset["samples"]}
    assert not any("bbox_row" in s or "split" in s for s in new["samples"])
    back = images_by_id(new)
    for image_id, image in images_by_id(dataset).items():
        np.testing.assert_array_equal(back[image_id], image)


def test_whole_images_keep_their_boxes(tmp_path):
    make_image(0, 80, 90).save(tmp_path / "a.png")
    boxes = {"bbox_row": [5.25, 6.0], "label_custom_data": [{"text": "x"}, {"text": ""}]}
    sample = {"image_file_name": "a.png", "image_id": 4, **boxes}
    folder = to_tfds({"image_dir": str(tmp_path), "samples": [sample]}, tmp_path / "t")
    [new] = from_tfds(folder, tmp_path / "back")["samples"]
    assert new == {**sample, "image_file_name": "4.png"}


def test_any_dataset_with_images_and_words(tmp_path):
    images = [np.full((20, 30 + i, 3), 40 * i, np.uint8) for i in range(5)]

    picture = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
    features = tfds.features.FeaturesDict({"picture": picture, "text": tfds.features.Text()})
    numbers = {"train": range(3), "val": range(3, 5)}
    infos = []
    for name, of_split in numbers.items():
        with tf.io.TFRecordWriter(str(tmp_path / f"any-{name}.tfrecord-00000-of-00001")) as file:
            for i in of_split:
                example = {"picture": images[i], "text": f"ß{i}"}
                file.write(features.serialize_example(example))
        template = tfds.core.ShardedFileTemplate(
            data_dir=tmp_path,
            dataset_name="any",
            split=name,
            filetype_suffix="tfrecord",
            template=TEMPLATE,
        )
        infos.append(tfds.core.SplitInfo(name, [len(of_split)], 0, filename_template=template))
    tfds.folder_dataset.write_metadata(
        data_dir=str(tmp_path),
        features=features,
        split_infos=infos,
        filename_template=TEMPLATE,
        check_data=False,
    )
    builder = tfds.builder_from_directory(str(tmp_path))
    new = from_tfds(builder, tmp_path / "back", image_key="picture", word_key="text")
    assert sorted(s["image_id"] for s in new["samples"]) == list(range(5))
    assert sorted(s["split"] for s in new["samples"]) == ["train"] * 3 + ["validation"] * 2
    back = images_by_id(new)
    for sample in new["samples"]:
        np.testing.assert_array_equal(back[sample["image_id"]], images[int(sample["word"][1:])])
    parts = [
        from_tfds(builder, tmp_path / "b", image_key="picture", word_key="text", shard=(i, 2))
        for i in range(2)
    ]
    assert sorted(s["image_id"] for p in parts for s in p["samples"]) == list(range(5))
    with pytest.raises(DatasetError, match="'image'"):
        from_tfds(builder, tmp_path / "back")
    with pytest.raises(DatasetError, match="splits train, val"):
        from_tfds(builder, tmp_path / "back", "test", "picture", "text")


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="folder of a TFDS dataset"):
        from_tfds(tmp_path, tmp_path / "back")
    dataset = make_words(tmp_path, 1)
    to_tfds(dataset, tmp_path / "t")
    with pytest.raises(DatasetError, match="another folder"):
        to_tfds(dataset, tmp_path / "t")
    with pytest.raises(DatasetError, match="at least 1 shard"):
        to_tfds(dataset, tmp_path / "u", shards=0)
