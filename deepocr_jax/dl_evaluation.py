"""Evaluation of DL models on datasets of one's own."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_detection
from deepocr_jax.data.samples import gen_dl_samples
from deepocr_jax.data.sources import DatasetSource
from deepocr_jax.dl_model import DLModel, apply_dl_model
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.evaluation import evaluate_recognition
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.models.registry import task_of
from deepocr_jax.pretrained import model_cache_dir
from deepocr_jax.types import DLDataset

IMAGES_AT_ONCE = 16
BOX_KEYS = ("row", "col", "phi", "length1", "length2")
IGNORE = 2


def evaluate_dl_model(
    dataset: DLDataset,
    model: DLModel,
    key: str | None = "split",
    value: str | None = "test",
    iou_threshold: Sequence[float] = (0.5,),
) -> dict[str, Any]:
    """How well a model does on the samples whose `key` has a value.

    Args:
        dataset: A recognition dataset (as `read_dl_dataset_ocr_recognition` gives it) for a model
            of type "ocr_recognition", a detection dataset for one of type "ocr_detection".
        model: The model.
        key: Key of the samples, such as "split"; None: all samples.
        value: Its value.
        iou_threshold: Of a detection: least intersection over union of a box that counts.

    Returns:
        For a recognition `accuracy` (words read exactly), `accuracy_caseless`, `accuracy_36`,
        `character_error_rate`, `confusions`, `characters`, `worst`; see
        `metrics.recognition.RecognitionResult`. For a detection `thresholds`, each with
        `precision`, `recall` and `f_score`; see `metrics.detection.DetectionResult`.

    Raises:
        DatasetError: No sample has the value, or one cannot be used.
        ParameterValueError: A model of another type.
    """
    indices = [i for i, s in enumerate(dataset["samples"]) if key is None or s.get(key) == value]
    if not indices:
        raise DatasetError(
            f"no sample has {key!r} == {value!r}; expected one at least. split_dl_dataset makes "
            "the splits"
        )
    keep_programs(model_cache_dir() / "programs")
    if model.checkpoint.kind == "ocr_recognition":
        source = DatasetSource(dataset, indices, model.training.image_width)
        device, width = model.training.device, model.training.image_width
        return dict(evaluate_recognition(model.checkpoint, source, device, width).compute())
    if task_of(model.checkpoint.kind) == "ocr_detection":
        return dict(_evaluate_detection(dataset, indices, model, tuple(iou_threshold)).compute())
    raise ParameterValueError(
        f'expected a model of type "ocr_recognition" or "ocr_detection", got '
        f"{model.checkpoint.kind!r}"
    )


def _evaluate_detection(
    dataset: DLDataset, indices: list[int], model: DLModel, thresholds: tuple[float, ...]
) -> DetectionMetrics:
    dataset, _ = read_dl_dataset_ocr_detection(dataset)
    metrics = DetectionMetrics(thresholds)
    for start in range(0, len(indices), IMAGES_AT_ONCE):
        part = indices[start : start + IMAGES_AT_ONCE]
        samples: list[Mapping[str, Any]] = [*gen_dl_samples(dataset, part)]
        for sample, result in zip(samples, apply_dl_model(samples, model), strict=True):
            boxes: Mapping[str, Any] = result.get("words", {})
            truth = np.stack([np.asarray(sample[f"bbox_{k}"], float) for k in BOX_KEYS], axis=1)
            found = np.stack([np.asarray(boxes[k]) for k in BOX_KEYS], axis=1)
            ignored = np.asarray(sample["bbox_label_id"]) == IGNORE
            metrics.update(truth, found, ignored)
    return metrics
