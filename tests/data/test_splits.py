from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.data.splits import split_dl_dataset
from deepocr_jax.errors import DatasetError


def crops(count, **more):
    return {
        "samples": [{"image_file_name": f"{i}.png", "image_id": i, **more} for i in range(count)]
    }


def splits(dataset):
    return [sample["split"] for sample in dataset["samples"]]


@pytest.mark.parametrize(
    ("count", "percents", "expected"),
    [
        (10, (60, 20), (6, 2, 2)),
        (160, (75, 0), (120, 0, 40)),
        (7, (60, 20), (4, 2, 1)),
        (1, (60, 20), (1, 0, 0)),
        (3, (100, 0), (3, 0, 0)),
        (5, (0, 0), (0, 0, 5)),
        (1000, (33.3, 33.3), (333, 333, 334)),
    ],
)
def test_counts_are_exact(count, percents, expected):
    counted = Counter(splits(split_dl_dataset(crops(count), *percents)))
    assert tuple(counted[name] for name in ("train", "validation", "test")) == expected


@pytest.mark.parametrize(
    "percents", [(-1, 20), (60, -1), (80, 21), (float("nan"), 1), ("60", 20), (True, 0)]
)
def test_impossible_percentages(percents):
    with pytest.raises(DatasetError, match="at most 100"):
        split_dl_dataset(crops(5), *percents)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
def test_impossible_seeds(seed):
    with pytest.raises(DatasetError, match="seed"):
        split_dl_dataset(crops(5), seed=seed)


def test_the_seed_decides():
    dataset = crops(50)
    before = copy.deepcopy(dataset)
    assert splits(split_dl_dataset(dataset)) == splits(split_dl_dataset(dataset))
    assert splits(split_dl_dataset(dataset)) != splits(split_dl_dataset(dataset, seed=1))
    assert dataset == before


def test_neither_process_nor_hash_decides():
    code = (
        "from deepocr_jax.data.splits import split_dl_dataset as f\n"
        "s = [{'image_file_name': str(i), 'bbox_label_id': [i % 3, i % 2]} for i in range(40)]\n"
        "print(''.join(x['split'][1] for x in f({'samples': s})['samples']))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(outputs) == 1


def test_samples_keep_their_split():
    dataset = crops(20)
    for sample in dataset["samples"][:10]:
        sample["split"] = "test"
    result = splits(split_dl_dataset(dataset, 50, 50))
    assert result[:10] == ["test"] * 10
    assert Counter(result[10:]) == {"train": 5, "validation": 5}
    assert Counter(splits(split_dl_dataset(dataset, 50, 50, True))) == {
        "train": 10,
        "validation": 10,
    }


def test_nothing_to_do_is_an_error():
    dataset = split_dl_dataset(crops(5))
    with pytest.raises(DatasetError, match="overwrite_split=True"):
        split_dl_dataset(dataset)
    assert splits(split_dl_dataset(dataset, overwrite_split=True)) == splits(dataset)
    dataset["samples"][3]["split"] = "training"
    with pytest.raises(DatasetError, match="sample 3"):
        split_dl_dataset(dataset)
    for samples in ([], [None], None):
        with pytest.raises(DatasetError, match="samples"):
            split_dl_dataset({"samples": samples})


def test_words_of_an_image_join_the_one_that_has_a_split():
    dataset = crops(6, split="train")
    dataset["samples"][0] |= {"split": "test", "image_file_name": "5.png"}
    del dataset["samples"][5]["split"]
    dataset["samples"].append({"image_file_name": "new.png"})
    assert splits(split_dl_dataset(dataset))[5] == "test"


@settings(max_examples=60, deadline=None)
@given(
    images=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    train=st.integers(0, 100),
    seed=st.integers(0, 2**40),
)
def test_an_image_is_in_one_split(images, train, seed):
    samples = [{"image_file_name": f"{i}.png", "word": "x"} for i in images]
    result = split_dl_dataset({"samples": samples}, train, (100 - train) // 2, seed=seed)
    found = defaultdict(set)
    for sample in result["samples"]:
        found[sample["image_file_name"]].add(sample["split"])
    assert all(len(one) == 1 for one in found.values())
    largest = max(Counter(images).values())
    got = Counter(splits(result))["train"]
    assert abs(got - train / 100 * len(images)) <= largest + 1


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_classes_are_divided_alike(sizes, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    samples = [{"image_file_name": f"{i}", "image_label_id": [c]} for i, c in enumerate(labels)]
    result = split_dl_dataset({"samples": samples}, 60, 20, seed=seed)
    counts = Counter(zip(labels, splits(result), strict=True))
    total = Counter(splits(result))
    for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert abs(total[name] - share * len(labels)) < 1
        for label, size in enumerate(sizes):
            assert abs(counts[label, name] - share * size) < 2


def test_an_image_counts_for_its_rarest_class():
    samples = [
        {"image_file_name": str(i), "bbox_label_id": [0, 0, 7] if i < 10 else [0]}
        for i in range(100)
    ]
    result = split_dl_dataset({"samples": samples}, 60, 20)
    assert Counter(splits(result)[:10]) == {"train": 6, "validation": 2, "test": 2}
    labels = ["bad"] * 5 + ["good"] * 45
    samples = [{"image_file_name": str(i), "anomaly_label": c} for i, c in enumerate(labels)]
    result = split_dl_dataset({"samples": samples}, 60, 20)
    assert Counter(splits(result)[:5]) == {"train": 3, "validation": 1, "test": 1}
