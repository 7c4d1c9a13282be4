"""Models judged on datasets: recognizers by what they read, detectors by their boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from deepocr_jax.dl import evaluation
from deepocr_jax.dl.evaluation import BOX_KEYS, SCORES, evaluate_dl_model
from deepocr_jax.dl.model import DLModel, apply_dl_model
from deepocr_jax.dl.model_parameters import set_dl_model_param
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.infer.pipeline import Page, Word

WIDTHS = [30, 60, 100, 150, 45, 80]


@pytest.fixture
def recognizer(tiny_recognizer):
    model = DLModel(tiny_recognizer)
    set_dl_model_param(model, "image_width", 160)
    return model


@pytest.fixture(scope="module")
def words(tmp_path_factory, tiny_recognizer):
    """Six crops, four of them for the test, with what the model reads there but for one."""
    folder, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(1)
    images = [rng.integers(0, 256, (48, w, 3)).astype(np.uint8) for w in WIDTHS]
    read = apply_dl_model([{"image": image} for image in images], DLModel(tiny_recognizer))
    samples = []
    for i, (image, result) in enumerate(zip(images, read, strict=True)):
        Image.fromarray(image).save(folder / f"{i}.png")
        word = result["word"] + ("?" if i == 3 else "")
        entry = {"image_id": i, "image_file_name": f"{i}.png", "word": word}
        samples.append({**entry, "split": "test" if i < 4 else "train"})
    return {"image_dir": str(folder), "samples": samples}


def test_a_recognizer_counts_every_sample_of_the_split_once(words, recognizer):
    figures = evaluate_dl_model(words, recognizer)
    assert figures["count"] == 4 and figures["accuracy"] == 3 / 4
    assert [entry["image_id"] for entry in figures["worst"]] == [3]


def test_other_keys_and_all_samples(words, recognizer):
    assert evaluate_dl_model(words, recognizer, value="train")["accuracy"] == 1.0
    assert evaluate_dl_model(words, recognizer, key=None)["count"] == 6
    one = evaluate_dl_model(words, recognizer, key="image_id", value=3)
    assert one["count"] == 1 and one["accuracy"] == 0.0


@pytest.mark.parametrize("choice", [{"value": "validation"}, {"key": "fold"}])
def test_a_split_without_samples_is_named(words, recognizer, choice):
    with pytest.raises(DatasetError, match="no sample has.*split_dl_dataset"):
        evaluate_dl_model(words, recognizer, **choice)


def test_models_of_other_types_are_refused(words, tiny_recognizer):
    model = DLModel(replace(tiny_recognizer, kind="ocr_orientation"))
    with pytest.raises(ParameterValueError, match="'ocr_orientation'"):
        evaluate_dl_model(words, model)


# --- detection ----------------------------------------------------------------------------------

IGNORED = (20.0, 100.0, 0.0, 10.0, 5.0)
TRUTHS = [(16.0, 30.0, 0.0, 20.0, 6.0), (40.0, 60.0, 0.3, 25.0, 7.0), IGNORED]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two pages with two words and a region to be ignored each."""
    folder = tmp_path_factory.mktemp("pages")
    samples = []
    for i in range(2):
        Image.new("RGB", (128, 64), (200, 200, 190)).save(folder / f"{i}.png")
        boxes = {f"bbox_{key}": [b[k] for b in TRUTHS] for k, key in enumerate(BOX_KEYS)}
        entry = {"image_id": i, "image_file_name": f"{i}.png", "split": "test", **boxes}
        texts = [{"text": text} for text in ("One", "two", "#")]
        samples.append({**entry, "bbox_label_id": [0, 0, 1], "label_custom_data": texts})
    classes = {"class_names": ["word", "ignore"], "class_ids": [0, 1]}
    return {"image_dir": str(folder), **classes, "samples": samples}


def finding(monkeypatch, boxes_by_page):
    """Lets a detector find these boxes."""
    pages = iter(boxes_by_page)

    def apply(samples, model):
        assert all(sample["image"].shape == (64, 128, 3) for sample in samples)
        arrays = [np.array(next(pages)).reshape(-1, 5) for _ in samples]
        return [{"words": dict(zip(BOX_KEYS, array.T, strict=True))} for array in arrays]

    monkeypatch.setattr(evaluation, "apply_dl_model", apply)


@pytest.mark.parametrize("at_once", [1, 16])
def test_boxes_are_matched_page_by_page(pages, tiny_detector, monkeypatch, at_once):
    monkeypatch.setattr(evaluation, "IMAGES_AT_ONCE", at_once)
    stray = (50.0, 20.0, 0.0, 5.0, 5.0)
    # The second page: one of two words, a box that is nothing, and one on what is ignored.
    finding(monkeypatch, [TRUTHS[:2], [TRUTHS[1], stray, IGNORED]])
    figures = evaluate_dl_model(pages, DLModel(tiny_detector))
    (scores,) = figures["thresholds"]
    assert figures["images"] == 2 and scores["iou_threshold"] == 0.5
    assert scores["precision"] == 3 / 4 and scores["recall"] == 3 / 4
    assert [figures[k] for k in SCORES] == [scores[k] for k in SCORES]
    assert "end_to_end" not in figures


def test_thresholds_are_as_asked(pages, tiny_detector, monkeypatch):
    half = (16.0, 40.0, 0.0, 10.0, 6.0)  # Half of the first word.
    finding(monkeypatch, [[half, TRUTHS[1]], []])
    figures = evaluate_dl_model(pages, DLModel(tiny_detector), iou_threshold=(0.4, 0.6))
    assert [s["iou_threshold"] for s in figures["thresholds"]] == [0.4, 0.6]
    assert [s["recall"] for s in figures["thresholds"]] == [2 / 4, 1 / 4]


def test_a_detector_is_applied_to_the_pages(pages, tiny_detector):
    figures = evaluate_dl_model(pages, DLModel(tiny_detector))
    (scores,) = figures["thresholds"]
    assert figures["images"] == 2 and 0 <= scores["recall"] <= 1


def test_one_threshold_and_texts_that_nobody_can_read(pages, tiny_detector, monkeypatch):
    finding(monkeypatch, [[TRUTHS[0]], [TRUTHS[0]]])
    samples = [{**s, "label_custom_data": [{"text": t} for t in ("One", "###", "#")]} for s in
               pages["samples"]]  # fmt: skip
    figures = evaluate_dl_model(
        {**pages, "samples": samples}, DLModel(tiny_detector), iou_threshold=0.6
    )
    assert figures["recall"] == figures["precision"] == 1.0
    assert figures["thresholds"][0]["iou_threshold"] == 0.6


@pytest.mark.pretrained
def test_end_to_end_counts_words_found_and_read(pages, tiny_detector, tiny_recognizer, monkeypatch):
    found = [[(TRUTHS[0], "one"), (TRUTHS[1], "two")], [(TRUTHS[1], "to")]]

    def read(packs, nets, settings, pool):
        assert nets.detector and nets.recognizer and nets.orientation
        for pack in packs:
            assert len(pack) == 2 and pack[0].shape == (64, 128, 3)
            yield [Page(None, [Word(np.array(b), text) for b, text in words]) for words in found]

    monkeypatch.setattr(evaluation, "read_packs", read)
    figures = evaluate_dl_model(
        pages, DLModel(tiny_detector), recognition_model=DLModel(tiny_recognizer)
    )
    assert figures["recall"] == 3 / 4 and figures["precision"] == 1.0
    assert figures["end_to_end"] == {"precision": 1 / 3, "recall": 1 / 4, "f_score": 2 / 7}
    assert figures["end_to_end_caseless"]["recall"] == 2 / 4


@pytest.mark.pretrained
def test_a_detector_and_a_recognizer_are_applied(pages, tiny_detector, tiny_recognizer):
    figures = evaluate_dl_model(
        pages, DLModel(tiny_detector), recognition_model=DLModel(tiny_recognizer)
    )
    assert figures["images"] == 2 and figures["end_to_end"]["recall"] == 0


def test_end_to_end_needs_texts_and_a_detector(words, pages, recognizer, tiny_detector):
    bare = [{k: v for k, v in s.items() if k != "label_custom_data"} for s in pages["samples"]]
    detector = DLModel(tiny_detector)
    with pytest.raises(DatasetError, match="a text for each box"):
        evaluate_dl_model({**pages, "samples": bare}, detector, recognition_model=recognizer)
    with pytest.raises(ParameterValueError, match="reads itself"):
        evaluate_dl_model(words, recognizer, recognition_model=recognizer)
    with pytest.raises(DatasetError, match="read_dl_dataset_ocr_detection"):
        evaluate_dl_model(words, detector)
