"""Detectors learn batch by batch from samples that the caller has chosen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import deepocr_jax
from deepocr_jax.checkpoint import flat_items
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.training import train_dl_model_batch
from deepocr_jax.dl.training_parameters import DETECTION_TRAINING

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from toy_pages import write_pages  # noqa: E402


def names(checkpoint):
    return {path for path, _ in flat_items(checkpoint.variables)}


@pytest.mark.slow
def test_a_batch_is_learnt_from_call_to_call(tmp_path, calm_detector):
    pages = write_pages(tmp_path / "images", 2, 64)
    model = DLModel(calm_detector, replace(DETECTION_TRAINING, learning_rate=1e-3))
    samples = deepocr_jax.gen_dl_samples(pages, [0, 1])
    samples[1]["image"] = samples[1]["image"][:50]  # Pages of any size share a canvas.
    for sample in samples:
        del sample["label_custom_data"], sample["bbox_label_id"]
    losses = [train_dl_model_batch(samples, model) for _ in range(12)]
    assert losses[-1]["total_loss"] < 0.95 * losses[0]["total_loss"]
    parts = {f"labelled_{name}_loss" for name in ("probability", "binary", "threshold")}
    assert parts <= set(losses[0]) and names(model.checkpoint) == names(calm_detector)
    session = model.session
    deepocr_jax.set_dl_model_param(model, "solver_type", "adam")
    train_dl_model_batch(samples, model)
    assert model.session is not session  # Another optimizer begins afresh.
