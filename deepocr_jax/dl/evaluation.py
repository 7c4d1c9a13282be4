"""Evaluation of DL models on datasets of one's own."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deepocr_jax.data.classes import IGNORE, NOT_TO_BE_READ
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_detection
from deepocr_jax.data.page_crops import BOX_KEYS, check_page
from deepocr_jax.data.samples import gen_dl_samples
from deepocr_jax.data.sources import DatasetSource
from deepocr_jax.dl.model import ORIENTATION_MODEL, DLModel, apply_dl_model, load_model
from deepocr_jax.dl.reading_accuracy import evaluate_recognition
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.detector import make_detector_net
from deepocr_jax.infer.orientation import make_orientation_net
from deepocr_jax.infer.pipeline import Networks, PageSettings, read_packs
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.recognizer import make_recognizer_net
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.models.registry import task_of
from deepocr_jax.types import DLDataset
from deepocr_jax.weights.model_cache import model_cache_dir

IMAGES_AT_ONCE = 16
THREADS = 2
SCORES = ("precision", "recall", "f_score")

# Pages -> the boxes [m, 5] found on each, and what was read in them (None: nothing was read).
Finder = Callable[[list[Mapping[str, Any]]], list[tuple[np.ndarray, list[str] | None]]]


def evaluate_dl_model(
    dataset: DLDataset,
    model: DLModel,
    key: str | None = "split",
    value: str | None = "test",
    iou_threshold: float | Sequence[float] = (0.5,),
    recognition_model: DLModel | str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """How well a model does on the samples whose `key` has a value.

    Args:
        dataset: A recognition dataset (as `read_dl_dataset_ocr_recognition` gives it) for a model
            of type "ocr_recognition", a detection dataset for one of type "ocr_detection".
        model: The model.
        key: Key of the samples, such as "split"; None: all samples.
        value: Its value.
        iou_threshold: Of a detection: least intersection over union of a box that counts; several
            are evaluated at once.
        recognition_model: Of a detection: a recognizer that reads what was found, as a Deep OCR
            handle with both models does; then the boxes that count are those of the words read,
            and these figures are found end to end, too.

    Returns:
        For a recognition `accuracy` (words read exactly), `accuracy_caseless`, `accuracy_36`,
        `character_error_rate`, `confusions`, `characters`, `worst`; see
        `metrics.recognition.RecognitionResult`. For a detection `precision`, `recall` and
        `f_score` at the first threshold, `images`, and `thresholds` with these of each; with a
        recognizer also `end_to_end` and `end_to_end_caseless`, the scores of the boxes whose word
        is right as well; see `metrics.detection.DetectionResult`. Boxes of class `ignore` and
        those whose text is "###" count neither as missed nor as wrong.

    Raises:
        DatasetError: No sample has the value, or one cannot be used.
        ParameterValueError: A model of another type, or a recognizer to judge a recognizer by.
    """
    indices = [i for i, s in enumerate(dataset["samples"]) if key is None or s.get(key) == value]
    if not indices:
        raise DatasetError(
            f"no sample has {key!r} == {value!r}; expected one at least. split_dl_dataset makes "
            "the splits"
        )
    keep_programs(model_cache_dir() / "programs")
    kind = task_of(model.checkpoint.kind)
    if kind == "ocr_recognition" and recognition_model is not None:
        raise ParameterValueError("recognition_model: expected none where the model reads itself")
    if kind == "ocr_recognition":
        source = DatasetSource(dataset, indices, model.training.image_width)
        device, width = model.training.device, model.training.image_width
        return dict(evaluate_recognition(model.checkpoint, source, device, width).compute())
    if kind == "ocr_detection":
        one = isinstance(iou_threshold, (int, float))
        thresholds = (float(iou_threshold),) if one else tuple(iou_threshold)
        return _evaluate_detection(dataset, indices, model, thresholds, recognition_model)
    raise ParameterValueError(
        f'expected a model of type "ocr_recognition" or "ocr_detection", got '
        f"{model.checkpoint.kind!r}"
    )


def _evaluate_detection(
    dataset: DLDataset,
    indices: list[int],
    model: DLModel,
    thresholds: tuple[float, ...],
    recognition_model: DLModel | str | os.PathLike[str] | None,
) -> dict[str, Any]:
    dataset, _ = read_dl_dataset_ocr_detection(dataset)
    reads = recognition_model is not None
    for index in indices:
        check_page(dataset["samples"][index], by_character=False)
        if reads and "label_custom_data" not in dataset["samples"][index]:
            raise DatasetError(
                f"sample {index}: expected a text for each box in label_custom_data, by which "
                "reading is judged; without recognition_model boxes alone are"
            )
    metrics = DetectionMetrics(thresholds)
    find = _make_finder(model) if recognition_model is None else _reader(model, recognition_model)
    for start in range(0, len(indices), IMAGES_AT_ONCE):
        samples: list[Mapping[str, Any]] = [
            *gen_dl_samples(dataset, indices[start : start + IMAGES_AT_ONCE])
        ]
        for sample, (boxes, texts) in zip(samples, find(samples), strict=True):
            truth = np.stack([np.asarray(sample[f"bbox_{k}"], float) for k in BOX_KEYS], axis=1)
            wanted = [str(x.get("text", "")) for x in sample.get("label_custom_data", ())]
            illegible = [text.strip() == NOT_TO_BE_READ for text in wanted] or [False] * len(truth)
            ignored = (np.asarray(sample["bbox_label_id"]) == IGNORE) | np.array(illegible, bool)
            metrics.update(truth, boxes, ignored, wanted if reads else None, texts)
    result = metrics.compute()
    first: Mapping[str, Any] = result["thresholds"][0]
    names = (*SCORES, "end_to_end", "end_to_end_caseless") if reads else SCORES
    return {**{name: first[name] for name in names}, **result}


def _make_finder(model: DLModel) -> Finder:
    """A detector alone."""

    def find(samples: list[Mapping[str, Any]]) -> list[tuple[np.ndarray, list[str] | None]]:
        results = apply_dl_model(samples, model)
        found: list[Mapping[str, Any]] = [result.get("words", {}) for result in results]
        return [(np.stack([np.asarray(x[k]) for k in BOX_KEYS], axis=1), None) for x in found]

    return find


def _reader(model: DLModel, recognition_model: DLModel | str | os.PathLike[str]) -> Finder:
    """A detector and a recognizer, with the parameters' defaults of a Deep OCR handle."""
    recognizer = load_model(recognition_model, "ocr_recognition")
    orientation = load_model(ORIENTATION_MODEL, "ocr_orientation")
    devices = resolve_devices(model.training.device)
    columns = np.arange(len(recognizer.alphabet) + 1)
    nets = Networks(
        make_detector_net(model.checkpoint, devices),
        make_recognizer_net(recognizer, devices, columns),
        make_orientation_net(orientation, devices[0]),
    )

    def read(samples: list[Mapping[str, Any]]) -> list[tuple[np.ndarray, list[str] | None]]:
        images = [sample["image"] for sample in samples]
        with ThreadPoolExecutor(THREADS) as pool:
            (pages,) = read_packs([images], nets, PageSettings(), pool)
        return [
            (np.array([w.box for w in page.words]).reshape(-1, 5), [w.text for w in page.words])
            for page in pages
        ]

    return read
