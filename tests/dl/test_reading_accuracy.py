"""The accuracy over a source: every crop counts once, in one process and in several."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from deepocr_jax.data.sources import ArraySource
from deepocr_jax.dl import reading_accuracy
from deepocr_jax.dl.model import DLModel, apply_dl_model
from deepocr_jax.dl.reading_accuracy import evaluate_recognition
from deepocr_jax.metrics.recognition import RecognitionMetrics

WIDTHS = [20, 90, 160, 40, 75, 130, 55]


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, width, 3)).astype(np.uint8) for width in WIDTHS]


@pytest.fixture(scope="module")
def readings(crops, tiny_recognizer):
    """What the model reads, whatever that is."""
    results = apply_dl_model([{"image": crop} for crop in crops], DLModel(tiny_recognizer))
    return [result["word"] for result in results]


@pytest.fixture(scope="module")
def source(crops, readings):
    """Two of seven words are another than what is read."""
    words = [f"{word}x" if i in (1, 4) else word for i, word in enumerate(readings)]
    return ArraySource(crops, words, range(100, 107))


def evaluate(model, source):
    return evaluate_recognition(model, source, image_width=160)


def test_figures_are_those_of_what_the_model_reads(tiny_recognizer, source, readings):
    figures = evaluate(tiny_recognizer, source).compute()
    assert figures["count"] == 7 and figures["accuracy"] == 5 / 7
    wrong = {entry["image_id"]: (entry["truth"], entry["read"]) for entry in figures["worst"]}
    assert wrong == {100 + i: (readings[i] + "x", readings[i]) for i in (1, 4)}


def test_many_crops_are_read_in_chunks(tiny_recognizer, source, monkeypatch):
    whole = evaluate(tiny_recognizer, source).compute()
    monkeypatch.setattr(reading_accuracy, "CHUNK", 3)
    assert evaluate(tiny_recognizer, source).compute() == whole


def gather_like(parts):
    """`process_allgather` among processes of these metrics."""
    texts = [np.frombuffer(part.to_json().encode(), np.uint8) for part in parts]

    def gather(value):
        if value.shape == (1,):
            return np.array([[len(text)] for text in texts])
        assert value.dtype == np.uint8
        return np.stack([np.pad(text, (0, len(value) - len(text))) for text in texts])

    return gather


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_share_the_crops_and_all_get_the_whole(
    tiny_recognizer, source, monkeypatch, processes
):
    """Eight processes: one has no crop at all."""
    whole = evaluate(tiny_recognizer, source).compute()
    merged = reading_accuracy._merged
    monkeypatch.setattr(reading_accuracy, "_merged", lambda metrics: metrics)
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    parts = []
    for rank in range(processes):
        monkeypatch.setattr(jax, "process_index", lambda rank=rank: rank)
        parts.append(evaluate(tiny_recognizer, source))
    counts = [part.compute()["count"] for part in parts]
    assert sum(counts) == 7 and max(counts) - min(counts) <= 1
    gather = gather_like(parts)
    monkeypatch.setattr(reading_accuracy.multihost_utils, "process_allgather", gather)
    for part in parts:
        assert merged(part).compute() == whole


def test_letters_beyond_ascii_are_gathered(monkeypatch):
    parts = [RecognitionMetrics(), RecognitionMetrics()]
    parts[0].update("größer", "großer", 0.5, 1)
    parts[1].update("日本", "日本", 0.9, 2)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(reading_accuracy.multihost_utils, "process_allgather", gather_like(parts))
    figures = reading_accuracy._merged(parts[0]).compute()
    assert figures["count"] == 2 and figures["accuracy"] == 0.5
    assert figures["confusions"] == [("ö", "o", 1)]
