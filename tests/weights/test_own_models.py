"""The weights that come with the library."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import deepocr_jax
from deepocr_jax.errors import ModelFileError, WeightsError
from deepocr_jax.infer.detector import DetectionSettings
from deepocr_jax.infer.looks import look_at, make_look_net
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.weights import own_models
from deepocr_jax.weights.own_models import OWN_MODELS, load_own

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


@pytest.mark.parametrize("name", OWN_MODELS)
def test_a_model_is_whole_and_has_its_card(name):
    model = load_own(name)
    assert model.license and model.source and model.meta_data["command"]
    card = (CHECKPOINTS / name / "README.md").read_text()
    for told in ("Data", "Command", "Figures", model.license):
        assert told in card, told


def test_every_folder_is_a_model():
    assert {p.name for p in CHECKPOINTS.iterdir()} == set(OWN_MODELS)


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(own_models, "_PLACES", (tmp_path,))
    with pytest.raises(WeightsError, match="words_small_detection"):
        deepocr_jax.read_dl_model("words_small_detection")
    (tmp_path / "words_small_detection").mkdir()
    with pytest.raises(ModelFileError):
        deepocr_jax.read_dl_model("words_small_detection")


@pytest.mark.pretrained
@pytest.mark.slow
def test_words_of_the_sample_are_found_upright_and_upside_down(sample):
    handle = deepocr_jax.create_deep_ocr(detection_model="words_small_detection")
    expected = {"DELIVERY", "NOTE", "Orchard", "Workshop", "58213", "Tools"}
    for quarters, phi in ((0, 0.0), (2, np.pi)):
        turned = np.ascontiguousarray(np.rot90(sample, quarters))
        words = deepocr_jax.apply_deep_ocr(turned, handle)["words"]
        # Upside down the heading's widely set letters are taken for two words.
        missed = expected - set(words["word"]) - ({"DELIVERY"} if quarters else set())
        assert not missed, (quarters, missed)
        # Which way up comes from the maps, without another network.
        boxes = deepocr_jax.apply_deep_ocr(turned, handle, mode="detection")["words"]
        off = np.angle(np.exp(1j * (np.asarray(boxes["phi"]) - phi)))
        assert np.median(np.abs(off)) < np.deg2rad(3)


@pytest.mark.pretrained
@pytest.mark.parametrize("degrees", [-35, 90])
@pytest.mark.slow
def test_turned_words_of_the_sample_are_read(sample, degrees):
    height, width = sample.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    matrix[:, 2] += 600 - np.array([width, height]) / 2
    turned = cv2.warpAffine(sample, matrix, (1200, 1200), borderValue=(255, 255, 255))
    words = deepocr_jax.apply_deep_ocr(turned, deepocr_jax.create_deep_ocr())["words"]
    expected = {"DELIVERY", "NOTE", "Orchard", "Workshop", "58213", "Tools", "Hex", "HB-108"}
    assert not expected - set(words["word"])
    phi = np.asarray(words["phi"])[[words["word"].index(word) for word in expected]]
    assert np.abs(np.angle(np.exp(1j * (phi - np.deg2rad(degrees))))).max() < np.deg2rad(3)


@pytest.mark.parametrize("degrees", [-70, -20, 0, 45, 90, 130, 180])
def test_a_look_at_the_sample_tells_its_axis(sample, degrees):
    net = make_look_net(load_own("text_axes_small"), resolve_devices("cpu"))
    height, width = sample.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    matrix[:, 2] += 600 - np.array([width, height]) / 2
    turned = cv2.warpAffine(sample, matrix, (1200, 1200), borderValue=(255, 255, 255))
    plain = np.full((600, 900, 3), 200, np.uint8)
    look, nothing = look_at([turned, plain], net, DetectionSettings(512, 512))
    assert abs(np.sin(look.axis - np.deg2rad(degrees))) < np.sin(np.deg2rad(3))
    assert look.oblique is None
    assert nothing.axis is None
