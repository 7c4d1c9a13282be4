"""How well a model reads: the accuracy over a source of crops."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.infer.pipeline import read_word_crops
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.readings import RecognitionSettings, least_confidence
from deepocr_jax.infer.recognizer import make_recognizer_net
from deepocr_jax.metrics.recognition import RecognitionMetrics
from deepocr_jax.types import CropSource

# Crops in memory at once.
CHUNK = 512
THREADS = 2


def evaluate_recognition(
    model: ModelCheckpoint, source: CropSource, device: Any = None, image_width: int = 0
) -> RecognitionMetrics:
    """Reads all crops of a source, through the same programs as a reader does.

    Where several processes run, each reads a part, and all get the figures of the whole.

    Args:
        model: A recognizer.
        source: Crops and their words; each counts once.
        device: As the parameter `device` of a reader; None: all local devices.
        image_width: Widest crop; 0: the reader's default.
    """
    devices = tuple(jax.local_devices()) if device is None else resolve_devices(device)
    columns = np.arange(len(model.alphabet) + 1)
    net = make_recognizer_net(model, devices, columns, num_candidates=1)
    settings = RecognitionSettings(num_candidates=1)
    if image_width:
        settings = RecognitionSettings(num_candidates=1, max_width=image_width)
    mine = range(jax.process_index(), len(source), jax.process_count())
    metrics = RecognitionMetrics()
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(mine), CHUNK):
            part = mine[start : start + CHUNK]
            crops = list(pool.map(source.crop, part))
            readings = read_word_crops(crops, net, settings, pool)
            for index, reading in zip(part, readings, strict=True):
                confidence = least_confidence(reading.confidences)
                text = "".join(reading.text)
                metrics.update(source.word(index), text, confidence, int(source.ids[index]))
    return _merged(metrics)


def _merged(metrics: RecognitionMetrics) -> RecognitionMetrics:
    """The figures of all processes together."""
    if jax.process_count() == 1:
        return metrics
    text = np.frombuffer(metrics.to_json().encode(), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.array([len(text)]))).ravel()
    padded = np.zeros(int(sizes.max()), np.uint8)
    padded[: len(text)] = text
    parts = np.asarray(multihost_utils.process_allgather(padded))
    total = RecognitionMetrics()
    for part, size in zip(parts, sizes, strict=True):
        total = total.merge(RecognitionMetrics.from_json(part[:size].tobytes().decode()))
    return total
