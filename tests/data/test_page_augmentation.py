"""Pages are turned, scaled and toned, and their boxes go along."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import deepocr_jax
from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.data.page_augmentation import page_options
from deepocr_jax.data.page_crops import BOX_KEYS, PageCropOptions
from deepocr_jax.dl.train_param import PAGE_AUGMENTATION
from deepocr_jax.errors import DatasetError, ParameterValueError

# Words are bright bars.
WORDS = [
    (60.0, 90.0, 0.0, 40.0, 9.0),
    (150.0, 200.0, 0.5, 45.0, 10.0),
    (280.0, 380.0, 0.0, 15.0, 8.0),
]


def inside(shape, box, share):
    row, col, phi, length1, length2 = box
    corners = cv2.boxPoints(
        ((col, row), (2 * share * length1, 2 * share * length2), -np.degrees(phi))
    )
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners * 16).astype(int)], 1, cv2.LINE_AA, 4)
    return mask > 0


@pytest.fixture
def page():
    image = np.zeros((300, 400, 3), np.uint8)
    for box in WORDS:
        image[inside(image.shape[:2], box, 1.0)] = 200
    boxes = {f"bbox_{k}": [b[i] for b in WORDS] for i, k in enumerate(BOX_KEYS)}
    texts = [{"text": t} for t in ("one", "two", "three")]
    return {"image": image, **boxes, "bbox_label_id": [0, 0, 0], "label_custom_data": texts}


def boxes_of(sample):
    return np.stack([sample[f"bbox_{k}"] for k in BOX_KEYS], axis=1)


@pytest.mark.parametrize(("degrees", "stretch"), [(0, 0.3), (20, 0.0), (180, 0.2)])
def test_boxes_lie_on_their_words(page, degrees, stretch):
    changed = deepocr_jax.augment_dl_samples(
        [page] * 8, 100.0, rotate_range=degrees, stretch=stretch, seed=3
    )
    angles = set()
    for sample in changed:
        assert sample["image"].shape == page["image"].shape
        for box, label in zip(boxes_of(sample), sample["bbox_label_id"], strict=True):
            if label == 0:
                assert sample["image"][inside((300, 400), box, 0.8)].mean() > 190
                ring = inside((300, 400), box, 1.4) & ~inside((300, 400), box, 1.2)
                assert sample["image"][ring].mean() < 60
        angles.add(round(float(sample["bbox_phi"][0]), 3))
    assert len(angles) == (8 if degrees else 1)


def test_what_leaves_the_page_is_gone_or_ignored(page):
    changed = deepocr_jax.augment_dl_samples([page] * 20, 100.0, rotate_range=45.0, seed=1)
    labels = set()
    for sample in changed:
        rows, cols = np.array(sample["bbox_row"]), np.array(sample["bbox_col"])
        assert ((rows > -1) & (rows < 300) & (cols > -1) & (cols < 400)).all()
        assert len(sample["label_custom_data"]) == len(rows) == len(sample["bbox_label_id"])
        named = dict(zip((x["text"] for x in sample["label_custom_data"]), sample["bbox_label_id"],
                         strict=True))  # fmt: skip
        labels.add(named.get("three", "gone"))
        assert named["two"] == 0
    assert labels >= {"gone", 0} or labels >= {"gone", 2}


def test_a_share_is_changed_and_a_seed_repeats_it(page):
    def augmented(**values):
        samples = deepocr_jax.augment_dl_samples([page] * 20, brightness_variation=0.5, **values)
        return np.array([s["image"].mean() for s in samples])

    means = augmented()
    same = int((means == page["image"].mean()).sum())
    assert 3 <= same <= 17
    np.testing.assert_array_equal(means, augmented())
    assert (means != augmented(seed=1)).any()
    (kept,) = deepocr_jax.augment_dl_samples([page], 0.0)
    assert not np.shares_memory(kept["image"], page["image"]) and page["image"].max() == 200


def test_what_pages_do_not_take_is_named(page):
    with pytest.raises(ParameterValueError, match="blur is for word crops; pages take"):
        deepocr_jax.augment_dl_samples([page], blur=1.0)
    with pytest.raises(DatasetError, match="sample 0 with the keys"):
        deepocr_jax.augment_dl_samples([{k: v for k, v in page.items() if k != "image"}])
    crop = {"image": np.zeros((48, 60, 3), np.uint8), "word": "x"}
    with pytest.raises(DatasetError, match="apart from crops"):
        deepocr_jax.augment_dl_samples([crop, page])


def test_options_of_pages():
    given = AugmentOptions(50.0, rotate_range=180.0, stretch=0.2, saturation_variation=0.5)
    assert page_options(given, 64, 128) == PageCropOptions(
        64, 128, 0.2, 180.0, 0.0, 0.0, saturation_variation=0.5, augmentation_percentage=50.0
    )
    assert page_options(PAGE_AUGMENTATION) == PageCropOptions()  # Training and recipe agree.
