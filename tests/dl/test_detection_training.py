"""Detectors of both kinds are trained by the procedures that train recognizers."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import deepocr_jax
from deepocr_jax.checkpoint import flat_items, read_checkpoint, variables_sha256
from deepocr_jax.dl import detection_training
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.train_param import create_dl_train_param
from deepocr_jax.dl.training import train_dl_model, train_dl_model_batch
from deepocr_jax.dl.training_parameters import DETECTION_TRAINING
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.train.pages import LABELLED, SYNTHETIC, PageSource
from deepocr_jax.train.score_map_task import begin_score_maps

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from toy_pages import write_pages  # noqa: E402

SIDE = 64
QUIET = {"enable_display": False, "warmup_share": 0.0, "average_decay": 0.0}
SMALL = {"part_side": SIDE, "page_side": SIDE}
TRAINING = replace(DETECTION_TRAINING, batch_size=2, learning_rate=2e-3)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Four pages to learn from, one to judge by, one to test."""
    dataset = write_pages(tmp_path_factory.mktemp("toy") / "images", 6, SIDE)
    splits = ["train"] * 4 + ["validation", "test"]
    for sample, split in zip(dataset["samples"], splits, strict=True):
        sample["split"] = split
    return dataset


@pytest.fixture(
    scope="module", params=[pytest.param("regions", marks=pytest.mark.slow), "score maps"]
)
def detector(request, calm_detector):
    return calm_detector if request.param == "regions" else begin_score_maps(calm_detector)


def names(checkpoint):
    return {path for path, _ in flat_items(checkpoint.variables)}


def test_a_detector_is_trained_and_put_to_work(pages, detector, tmp_path):
    model = DLModel(detector, TRAINING)
    param = create_dl_train_param(3, 3, augment={}, workdir=tmp_path, **SMALL, **QUIET)
    outcome = train_dl_model(pages, model, param)
    assert outcome.finished and [info["epoch"] for info in outcome.train_infos] == [1, 2, 3]
    assert outcome.train_infos[-1]["mean_loss"] < outcome.train_infos[0]["mean_loss"]
    (figures,) = outcome.evaluation_infos
    assert set(figures) == {"epoch", "precision", "recall", "f_score"}
    assert model.checkpoint.kind == detector.kind and names(model.checkpoint) == names(detector)
    assert model.checkpoint.source.endswith("retrained")
    best = read_checkpoint(tmp_path / "best")
    assert variables_sha256(best.variables) == variables_sha256(model.checkpoint.variables)
    assert variables_sha256(best.variables) != variables_sha256(detector.variables)
    handle = deepocr_jax.create_deep_ocr(mode="detection", detection_model=DLModel(detector))
    deepocr_jax.set_deep_ocr_param(handle, "detection_model", model)
    assert handle.state.detection is model.checkpoint


def test_a_step_has_rows_of_the_dataset_and_of_the_old_domain(pages, calm_detector, monkeypatch):
    monkeypatch.setattr(detection_training, "run_training", lambda task, *rest: task)
    model = DLModel(calm_detector, replace(TRAINING, batch_size=4, batch_size_multiplier=2))

    def task_with(rehearsal, share):
        param = create_dl_train_param(1, rehearsal_share=share, **SMALL)
        return cast(Any, train_dl_model(pages, model, param, rehearsal=rehearsal))

    alone = task_with(None, 0.0)
    assert alone.parts == (LABELLED,) * 2 and alone.steps_per_epoch == 1
    ids = [sorted(b["image_id"]) for b in alone.batches(0, 2)]
    assert ids == [[0, 1, 2, 3]] * 4  # Each batch takes every page of the split once.
    old = {**pages, "samples": [{**pages["samples"][5], "image_id": 99}]}
    mixed = task_with(old, 0.25)
    assert mixed.parts == (LABELLED,) * 4
    rows = [b["image_id"].tolist() for b in mixed.batches(3, 4)]
    assert [len(r) for r in rows] == [3, 1, 3, 1] and rows[1] == rows[3] == [99]
    made = task_with(PageSource(lambda assets, key, step: None, {}, 1, "toy"), 0.25)
    assert made.parts == (SYNTHETIC, LABELLED) * 2
    assert len({alone.fingerprint, mixed.fingerprint, made.fingerprint}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {"image_id": 0, "image_file_name": "0.png", "word": "x"},
            "read_dl_dataset_ocr_",
        ),
        (lambda s: {k: v for k, v in s.items() if k != "label_custom_data"}, "a text for each"),
    ],
)
def test_datasets_of_another_form_are_named(pages, calm_detector, change, message):
    model = DLModel(begin_score_maps(calm_detector), TRAINING)
    samples = [{**change(s), "split": s["split"]} for s in pages["samples"]]
    with pytest.raises(DatasetError, match=message):
        train_dl_model({**pages, "samples": samples}, model, create_dl_train_param(1, **SMALL))
    bare = {"image": np.zeros((64, 64, 3), np.uint8), **change(pages["samples"][0])}
    with pytest.raises(DatasetError, match=message):
        train_dl_model_batch(bare, model)


def test_options_that_do_not_go_together_are_refused(pages, calm_detector):
    model = DLModel(calm_detector, TRAINING)

    def refused(message, rehearsal=None, synthetic=None, **values):
        param = create_dl_train_param(1, **{**SMALL, **QUIET, **values})
        with pytest.raises(ParameterValueError, match=message):
            train_dl_model(pages, model, param, 0, rehearsal, synthetic)

    source = PageSource(lambda assets, key, step: None, {}, 3, "toy")
    refused("leaves none of 2 rows", rehearsal_share=0.9)
    refused("got one of 3", rehearsal=source, rehearsal_share=0.5)
    refused("got list", rehearsal=[], rehearsal_share=0.5)
    refused("synthetic: crops", synthetic=source)
    refused("blur is for word crops", augment={"blur": 1.0})
    refused("multiple of 32", part_side=100)
    with pytest.raises(ParameterValueError, match="expected the key image"):
        train_dl_model_batch({"image_id": 3}, model)


def test_training_parameters_of_a_detector_that_is_read(tmp_path, calm_detector, tiny_recognizer):
    for checkpoint, size in ((calm_detector, 4), (tiny_recognizer, 16)):
        deepocr_jax.write_dl_model(DLModel(checkpoint), tmp_path / "model")
        model = deepocr_jax.read_dl_model(tmp_path / "model")
        assert deepocr_jax.get_dl_model_param(model, "batch_size") == size
