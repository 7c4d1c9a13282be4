"""Datasets as sharded TFDS datasets, and back; for runs over many hosts.

FOLDER/<name>-<split>.tfrecord-00000-of-0000n    the samples, an encoded image each
FOLDER/dataset_info.json, features.json          what TFDS needs to read them
FOLDER/deepocr_dataset.json                      the other keys of the dataset (classes)
"""

import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from deepocr_jax.data.keys import FOLDER_KEYS, SPLITS
from deepocr_jax.data.sample_images import image_path, read_sample_image, word_box
from deepocr_jax.errors import DatasetError
from deepocr_jax.image import _identify, _orientation, as_rgb, read_image
from deepocr_jax.types import DLDataset, ImageArray

UNSPLIT = "unsplit"
"""The TFDS split of samples without a split."""

_DATASET_FILE = "deepocr_dataset.json"
_ENTRY_KEY = "sample"
_IMAGE_KEYS = ("image_file_name", "dlsample_file_name", "segmentation_file_name")
_SPLIT_NAMES = {"val": "validation", "valid": "validation", "dev": "validation"}
_SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"BM": "bmp"}


def to_tfds(
    dataset: DLDataset,
    folder: str | os.PathLike[str],
    shards: int = 1,
    name: str = "dl_dataset",
) -> Path:
    """Stores a dataset so that `tfds.builder_from_directory(folder)` reads it.

    Features: `image`, `word` (empty where a sample has none), `image_id`, and `sample`, the JSON
    of the remaining keys. PNG and JPEG files are stored as they are, where TensorFlow decodes them
    to the same picture as `read_image`; other images become PNG. A sample that is a box in a
    larger image is stored as its crop, without the box.

    Args:
        dataset: the dataset; label images (segmentation, anomaly) are not stored.
        folder: the folder, which must not hold a TFDS dataset.
        shards: files for each split, at most one a sample.
        name: name of the TFDS dataset.

    Returns:
        The folder.

    Raises:
        DatasetError: the dataset cannot be stored, or the folder is in use.
        ImageError: an image file cannot be used.
    """
    path = Path(os.path.abspath(folder))
    if shards < 1 or not dataset.get("samples"):
        raise DatasetError(
            f"Expected samples and at least 1 shard, got {len(dataset.get('samples', []))} samples "
            f"and {shards} shards."
        )
    if (path / "dataset_info.json").exists():
        raise DatasetError(f"Expected '{path}' to hold no TFDS dataset yet; choose another folder.")
    path.mkdir(parents=True, exist_ok=True)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "word": tfds.features.Text(),
            "image_id": tfds.features.Scalar(np.int64),
            _ENTRY_KEY: tfds.features.Text(),
        }
    )
    by_split: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for sample in dataset.get("samples", []):
        by_split[sample.get("split", UNSPLIT)].append(cast(Mapping[str, Any], sample))
    infos = [
        _write_split(dataset, path, name, split, samples, min(shards, len(samples)), features)
        for split, samples in by_split.items()
    ]
    rest = {k: v for k, v in dataset.items() if k not in ("samples", *FOLDER_KEYS)}
    rest.pop("preprocess_param", None)
    (path / _DATASET_FILE).write_text(json.dumps(rest, allow_nan=False), encoding="utf-8")
    tfds.folder_dataset.write_metadata(
        data_dir=str(path),
        features=features,
        split_infos=infos,
        filename_template=_TEMPLATE,
        description="Stored by deepocr_jax.",
        check_data=False,
    )
    return path


_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"


def _write_split(
    dataset: DLDataset,
    folder: Path,
    name: str,
    split: str,
    samples: list[Mapping[str, Any]],
    shards: int,
    features: tfds.features.FeaturesDict,
) -> tfds.core.SplitInfo:
    """Writes the shards of one split."""
    bounds = [len(samples) * i // shards for i in range(shards + 1)]
    size = 0
    for shard in range(shards):
        file = folder / f"{name}-{split}.tfrecord-{shard:05d}-of-{shards:05d}"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for sample in samples[bounds[shard] : bounds[shard + 1]]:
                record = features.serialize_example(_to_example(dataset, sample))
                size += len(record)
                writer.write(record)
    return tfds.core.SplitInfo(
        name=split,
        shard_lengths=np.diff(bounds).tolist(),
        num_bytes=size,
        filename_template=tfds.core.ShardedFileTemplate(
            data_dir=cast(Any, folder),
            dataset_name=name,
            split=split,
            filetype_suffix="tfrecord",
            template=_TEMPLATE,
        ),
    )


def _to_example(dataset: DLDataset, sample: Mapping[str, Any]) -> dict[str, Any]:
    box = word_box(sample)
    hidden = {"word", "image_id", "split", *_IMAGE_KEYS, "anomaly_file_name"}
    rest = {k: v for k, v in sample.items() if k not in hidden}
    if box is not None:
        image = _encode_png(read_sample_image(dataset, sample))
        rest = {k: v for k, v in rest.items() if not k.startswith("bbox_")}
    else:
        image = _encoded_image(image_path(dataset, sample))
    return {
        "image": image,
        "word": sample.get("word", ""),
        "image_id": int(sample["image_id"]),
        _ENTRY_KEY: json.dumps(rest, ensure_ascii=False, allow_nan=False),
    }


def _encoded_image(path: Path) -> bytes:
    """A file as it is where every decoder sees the same in it, else its pixels as PNG."""
    pixels = read_image(path)
    data = path.read_bytes()
    image = _identify(io.BytesIO(data))
    plain = image is not None and image.format in ("PNG", "JPEG") and image.mode in ("L", "RGB")
    if plain and not cast(Any, image).has_transparency_data and _orientation(cast(Any, image)) == 1:
        return data
    return _encode_png(pixels)


def _encode_png(image: ImageArray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def from_tfds(
    source: "tfds.core.DatasetBuilder | str | os.PathLike[str]",
    image_dir: str | os.PathLike[str],
    split: str | None = None,
    image_key: str = "image",
    word_key: str = "word",
    shard: tuple[int, int] = (0, 1),
) -> DLDataset:
    """Reads a TFDS dataset of images and words; the images are written to files.

    Images are written as they are encoded, without loss; decoded ones become PNG.

    Args:
        source: a prepared builder, or the folder of a TFDS dataset. Nothing is downloaded.
        image_dir: the folder for the images, `<image_id>.<format>`; made where it is missing.
        split: a split of the TFDS dataset ("train", or a slice as "train[:10%]"); None: all.
        image_key: the feature with the image.
        word_key: the feature with the text. It may be missing in what `to_tfds` wrote.
        shard: (index, count): only this part of each split, for runs of several processes. The
            parts together hold every sample once.

    Returns:
        The dataset. Ids are those that `to_tfds` stored; samples of other datasets are numbered
        through all of its splits, so the parts of several processes have no id in common.

    Raises:
        DatasetError: there is no such dataset, split or feature, or the shard is out of range.
    """
    index, count = shard
    if not 0 <= index < count:
        raise DatasetError(f"Expected a shard (index, count) with 0 <= index < count, got {shard}.")
    builder = _open_builder(source)
    features = cast(Mapping[str, Any], builder.info.features)
    for key in (image_key, *([] if _ENTRY_KEY in features else [word_key])):
        if key not in features:
            raise DatasetError(
                f"Expected the feature {key!r} in the TFDS dataset, which has "
                f"{', '.join(features)}; pass image_key and word_key."
            )
    folder = Path(os.path.abspath(image_dir))
    folder.mkdir(parents=True, exist_ok=True)
    stored = Path(os.fspath(builder.data_path)) / _DATASET_FILE
    dataset: dict[str, Any] = {}
    if stored.exists():
        dataset = json.loads(stored.read_text(encoding="utf-8"))
    samples: list[dict[str, Any]] = []
    first = 0
    for name in [split] if split is not None else list(builder.info.splits):
        parts = _parts(builder, name, count)
        before = first + sum(_count(builder, part) for part in parts[:index])
        first += _count(builder, name)
        base = name.split("[")[0].split("+")[0]
        base = _SPLIT_NAMES.get(base, base)
        for number, example in enumerate(_examples(builder, parts[index], image_key), before):
            sample = _to_sample(example, features, number, image_key, word_key, folder)
            samples.append({**sample, "split": base} if base in SPLITS else sample)
    return cast(DLDataset, {**dataset, "image_dir": str(folder), "samples": samples})


def _open_builder(source: Any) -> tfds.core.DatasetBuilder:
    if isinstance(source, tfds.core.DatasetBuilder):
        return source
    try:
        return tfds.builder_from_directory(os.fspath(source))
    except Exception as error:
        raise DatasetError(
            f"Expected the folder of a TFDS dataset (with dataset_info.json), got {source!r} "
            f"({error}); give the folder of its version."
        ) from error


def _parts(builder: tfds.core.DatasetBuilder, split: str, count: int) -> list[Any]:
    """A split in `count` even parts."""
    try:
        _count(builder, split)
        return list(tfds.even_splits(split, count)) if count > 1 else [split]
    except Exception as error:
        raise DatasetError(
            f"Expected one of the splits {', '.join(builder.info.splits)}, got {split!r} ({error})."
        ) from error


def _count(builder: tfds.core.DatasetBuilder, split: Any) -> int:
    return int(builder.info.splits[split].num_examples)


def _examples(
    builder: tfds.core.DatasetBuilder, split: Any, image_key: str
) -> Iterator[dict[str, Any]]:
    """The examples of a split, with the image encoded where it was stored so."""
    features = cast(Mapping[str, Any], builder.info.features)
    encoded = isinstance(features[image_key], tfds.features.Image)
    decoders = {image_key: tfds.decode.SkipDecoding()} if encoded else None
    config = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
    return iter(
        tfds.as_numpy(
            cast(Any, builder).as_dataset(split=split, decoders=decoders, read_config=config)
        )
    )


def _to_sample(
    example: Mapping[str, Any],
    features: Mapping[str, Any],
    number: int,
    image_key: str,
    word_key: str,
    folder: Path,
) -> dict[str, Any]:
    """Writes the image of an example and describes it."""
    entry = json.loads(example[_ENTRY_KEY]) if _is_stored(features) else {}
    image_id = int(example["image_id"]) if _is_stored(features) else number
    image = example[image_key]
    if not isinstance(image, bytes):
        image = _encode_png(as_rgb(image))
    suffix = next((s for mark, s in _SIGNATURES.items() if image.startswith(mark)), None)
    if suffix is None:
        image, suffix = _encode_png(read_image(image)), "png"
    file = f"{image_id}.{suffix}"
    (folder / file).write_bytes(image)
    sample = {"image_file_name": file, "image_id": image_id, **entry}
    word = _text(example[word_key], features[word_key]) if word_key in features else ""
    if word or not _is_stored(features):
        sample["word"] = word
    return sample


def _is_stored(features: Mapping[str, Any]) -> bool:
    """Whether `to_tfds` wrote the dataset."""
    return _ENTRY_KEY in features and "image_id" in features


def _text(value: Any, feature: Any) -> str:
    if isinstance(feature, tfds.features.ClassLabel):
        return feature.int2str(int(value))
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
