"""Detectors are retrained on labelled pages of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import deepocr_jax
from deepocr_jax.checkpoint import (
    flat_items,
    read_checkpoint,
    variables_sha256,
    write_checkpoint,
)
from deepocr_jax.errors import DatasetError, ModelFileError, ParameterValueError
from deepocr_jax.recipes import detector_finetuning
from deepocr_jax.recipes.detector_finetuning import DetectorFinetuneConfig, finetune_detector
from deepocr_jax.train.pages import PageSource
from deepocr_jax.train.score_map_task import KIND, begin_score_maps

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from toy_pages import ToyPages, dense_page, stack, write_pages  # noqa: E402

SIDE = 128


def toy_source(pages, height, width):
    """In place of the synthesizer, which takes half a minute to compile."""
    page = dense_page(1, side=height, size=15)
    found = stack(*[page] * pages)._asdict()

    def make(assets, key, step):
        return ToyPages(*(assets[name] for name in ToyPages._fields))

    return PageSource(make, found, pages, "toy")


@pytest.fixture
def files(tmp_path, shallow_detector, monkeypatch):
    """A dataset of six pages and a model that has learned nothing."""
    monkeypatch.setattr(detector_finetuning, "synthetic_source", toy_source)
    dataset = write_pages(tmp_path / "images", 6, SIDE)
    (tmp_path / "dl_dataset.json").write_text(json.dumps({**dataset, "image_dir": "images"}))
    write_checkpoint(tmp_path / "model", begin_score_maps(shallow_detector))
    return tmp_path


def config(files, **values):
    given = {
        "dataset": str(files / "dl_dataset.json"), "model": str(files / "model"), "side": SIDE,
        "page_side": SIDE, "num_steps": 6, "parts_per_step": 1, "pages_per_step": 1,
        "learning_rate": 3e-3, "warmup_steps": 2, "average_decay": 0.5, "show_progress": False,
        "calibration_pages": 1,
    }  # fmt: skip
    return DetectorFinetuneConfig(**{**given, **values})


def test_a_detector_is_retrained_and_compared(files):
    report = finetune_detector(config(files), files / "run")
    assert report is not None and [x["iou_threshold"] for x in report.after] == [0.5, 0.7]
    losses = [loss for _, loss in report.training.history.losses]
    assert losses[-1] < losses[0]
    kept = json.loads((files / "run" / "report.json").read_text())
    assert kept["before"] == report.before and "retrained" in report.text
    best = read_checkpoint(report.best)
    assert best.kind == KIND
    assert variables_sha256(best.variables) != variables_sha256(
        read_checkpoint(files / "model").variables
    )
    handle = deepocr_jax.create_deep_ocr(mode="detection", detection_model=str(report.best))
    names = deepocr_jax.get_deep_ocr_param(handle, "detection_score_map_names")
    assert names[0] == "character"
    # The run is over: the same call gives the same model again.
    again = finetune_detector(config(files), files / "run")
    assert again is not None and again.after == report.after


@pytest.mark.slow
def test_faults_stop_it_before_it_begins(files):
    dataset = json.loads((files / "dl_dataset.json").read_text())
    dataset["samples"][0]["image_file_name"] = "missing.png"
    (files / "dl_dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(DatasetError, match=r"missing\.png"):
        finetune_detector(config(files), files / "run")
    report = finetune_detector(config(files, on_faults="drop", num_steps=2), files / "run")
    assert report is not None


@pytest.mark.slow
def test_a_detector_of_regions_learns_from_boxes_without_texts(files, calm_detector):
    write_checkpoint(files / "model", calm_detector)
    dataset = json.loads((files / "dl_dataset.json").read_text())
    for sample in dataset["samples"]:
        del sample["label_custom_data"]
    (files / "dl_dataset.json").write_text(json.dumps(dataset))
    report = finetune_detector(config(files, pages_per_step=0), files / "run")
    assert report is not None
    assert np.isfinite([loss for _, loss in report.training.history.losses]).all()
    best = read_checkpoint(report.best)
    assert variables_sha256(best.variables) != variables_sha256(calm_detector.variables)
    # The branch of the threshold map stays behind.
    assert best.kind == "ocr_detection" and best.source.endswith("trained on text regions")
    shapes = [[np.shape(a) for _, a in flat_items(m.variables)] for m in (best, calm_detector)]
    assert shapes[0] == shapes[1]
    deepocr_jax.create_deep_ocr(mode="detection", detection_model=str(report.best))


def test_wrong_values_are_refused(files, tiny_recognizer):
    with pytest.raises(ParameterValueError, match="dataset: expected the path"):
        finetune_detector(DetectorFinetuneConfig(), files / "run")
    with pytest.raises(ParameterValueError, match="on_faults"):
        finetune_detector(config(files, on_faults="ignore"), files / "run")
    write_checkpoint(files / "reader", tiny_recognizer)
    with pytest.raises(ModelFileError, match="ocr_detection"):
        finetune_detector(config(files, model=str(files / "reader")), files / "run")
