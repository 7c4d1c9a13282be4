"""Scores of retrained detectors are fitted to the thresholds of reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deepocr_jax
from deepocr_jax.checkpoint import flat_items, read_checkpoint
from deepocr_jax.dl.evaluation import evaluate_dl_model
from deepocr_jax.dl.model import DLModel
from deepocr_jax.recipes import calibration
from deepocr_jax.recipes.calibration import BIAS, SHIFTS, calibrate, shifted
from deepocr_jax.train.score_map_task import begin_score_maps

ROOT = Path(__file__).parents[2]
SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"
BOX_KEYS = ("row", "col", "phi", "length1", "length2")


def biases(model):
    return {path: np.array(value) for path, value in flat_items(model.variables) if BIAS in path}


def others(model):
    return {path: value for path, value in flat_items(model.variables) if BIAS not in path}


@pytest.mark.parametrize("as_words", [False, True])
def test_only_the_score_is_shifted(shallow_detector, as_words):
    model = begin_score_maps(shallow_detector) if as_words else shallow_detector
    moved = shifted(model, 0.5)
    ((path, bias),) = biases(moved).items()
    change = bias - biases(model)[path]
    np.testing.assert_allclose(change, [0.5, 0, 0, 0] if as_words else [0.5], atol=1e-6)
    for name, value in others(moved).items():
        np.testing.assert_array_equal(value, others(model)[name])


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ({0.0: 0.6, 0.6: 0.8, 0.9: 0.805}, 0.6),  # nearly as good, and less of a change
        ({0.0: 0.6, 0.6: 0.8, 0.9: 0.85}, 0.9),
        ({0.0: 0.7, -0.3: 0.75}, -0.3),
        ({0.0: 0.745, -0.3: 0.75}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_least_shift_that_finds_the_words_is_taken(
    shallow_detector, monkeypatch, scores, wanted
):
    (start,) = biases(shallow_detector).values()

    def score(model, dataset):
        (bias,) = biases(model).values()
        return scores.get(round(float(bias[0] - start[0]), 2), 0.1)

    monkeypatch.setattr(calibration, "_f_score", score)
    dataset = {"image_dir": "", "class_names": ["word"], "class_ids": [0], "samples": []}
    (bias,) = biases(calibrate(shallow_detector, dataset, 5)).values()
    assert bias[0] - start[0] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_a_detector_that_is_too_unsure_finds_words_again(sample):
    """What the library's detector finds is taken for the truth, and the detector made unsure."""
    sure = read_checkpoint(ROOT / "checkpoints" / "words_small_detection")
    (found,) = deepocr_jax.apply_dl_model([{"image": sample}], DLModel(sure))
    labels = {f"bbox_{key}": list(map(float, found["words"][key])) for key in BOX_KEYS}
    labels["bbox_label_id"] = [0] * len(labels["bbox_row"])
    page = {"image_id": 1, "image_file_name": SAMPLE.name, "split": "train", **labels}
    pages = {
        "image_dir": str(SAMPLE.parent), "class_names": ["word"], "class_ids": [0],
        "samples": [page],
    }  # fmt: skip

    def f_score(model):
        found = evaluate_dl_model(pages, DLModel(model), "split", "train", iou_threshold=(0.5,))
        return found["thresholds"][0]["f_score"] or 0.0

    unsure = shifted(sure, -1.5)
    mended = calibrate(unsure, pages, 1)
    assert f_score(sure) == 1.0 and f_score(unsure) < 0.9
    assert f_score(mended) >= 0.99
    ((_, start),), ((_, bias),) = biases(unsure).items(), biases(mended).items()
    assert round(float(bias[0] - start[0]), 2) in SHIFTS
