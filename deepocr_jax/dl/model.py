"""DL models: read, write, apply. Their parameters are in `dl_model_parameters`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, read_checkpoint, write_checkpoint
from deepocr_jax.dl.training_parameters import DETECTION_TRAINING, TrainingParameters
from deepocr_jax.errors import ModelFileError, ParameterValueError
from deepocr_jax.image import as_rgb
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.detector import DetectionSettings, make_detector_net, search
from deepocr_jax.infer.pipeline import RecognitionSettings, read_word_images
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.readings import Reading, least_confidence
from deepocr_jax.infer.recognizer import make_recognizer_net
from deepocr_jax.models.head import change_head
from deepocr_jax.models.registry import spec_from_dict, task_of
from deepocr_jax.types import Boxes, CharCandidates, DLResult
from deepocr_jax.weights.model_cache import model_cache_dir
from deepocr_jax.weights.own_models import OWN_MODELS, load_own
from deepocr_jax.weights.pretrained import GRAPHS, load_pretrained

DEFAULT_MODELS: dict[str, str] = {
    "pretrained_deep_ocr_detection": "regions_small_detection",
    "pretrained_deep_ocr_recognition": "ppocrv6_small_recognition",
}
"""Names of the current defaults, and the models that they mean."""
# Which way up a line stands; beside every detector whose boxes do not say so.
ORIENTATION_MODEL = "ppocr_mobile_v2_orientation"
# Along which axis an image reads; had where a look is asked for.
TEXT_AXES_MODEL = "text_axes_small"
# A short name means the detector or the recognizer of that family, by the component it is set as.
FAMILIES = ("ppocrv6_small",)
KIND_SUFFIX = {"ocr_detection": "_detection", "ocr_recognition": "_recognition"}


@dataclass
class DLModel:
    """A model handle: a thin shell around a checkpoint in memory.

    Attributes:
        checkpoint: The model.
        training: How it is trained and judged; stays behind when the model is written.
        session: What a training batch by batch keeps between its calls.
    """

    checkpoint: ModelCheckpoint
    training: TrainingParameters = TrainingParameters()
    session: Any = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        c = self.checkpoint
        return f"DLModel(type={c.kind!r}, source={c.source!r})"


def read_dl_model(name_or_path: str | os.PathLike[str]) -> DLModel:
    """Reads a model by its name or from a folder that `write_dl_model` wrote.

    Raises:
        ModelFileError: Neither a known name nor a model's folder, or the folder is damaged.
        WeightsError: The package with the published weights is missing.
    """
    checkpoint = load_model(name_or_path)
    if task_of(checkpoint.kind) == "ocr_detection":
        return DLModel(checkpoint, DETECTION_TRAINING)
    return DLModel(checkpoint)


def load_model(source: "str | os.PathLike[str] | DLModel", kind: str = "") -> ModelCheckpoint:
    """A name, a folder or a handle -> the model; `kind` resolves the short names.

    Raises:
        ParameterValueError: None of the three.
        ModelFileError: See `read_dl_model`; also where the model is of another kind.
    """
    if isinstance(source, DLModel):
        return _checked(source.checkpoint, kind, repr(source))
    if not isinstance(source, (str, os.PathLike)):
        raise ParameterValueError(
            f"expected a model's name, a folder or a DL model handle, got {source!r}"
        )
    return _checked(_load(os.fspath(source), kind), kind, os.fspath(source))


def _checked(model: ModelCheckpoint, kind: str, where: str) -> ModelCheckpoint:
    """The model, if it is of the kind asked for and its specification is one."""
    if kind and task_of(model.kind) != kind:
        raise ModelFileError(f"expected a model of type {kind!r}, got {model.kind!r}: {where}")
    try:
        spec_from_dict(model.kind, model.spec)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{where}: this release knows no model of type {model.kind!r} with such a "
            f"specification ({error}); write or copy the model again"
        ) from error
    return model


def _load(name: str, kind: str) -> ModelCheckpoint:
    if name in FAMILIES and kind in KIND_SUFFIX:
        name += KIND_SUFFIX[kind]
    name = DEFAULT_MODELS.get(name, name)
    if name in OWN_MODELS:
        return load_own(name)
    if name in GRAPHS:
        return load_pretrained(name)
    folder = Path(name)
    if folder.is_dir():
        return read_checkpoint(folder)
    names = [*DEFAULT_MODELS, *GRAPHS, *OWN_MODELS, *(FAMILIES if kind else ())]
    raise ModelFileError(f"no model {name!r}: expected a folder, or one of {', '.join(names)}")


def write_dl_model(model: DLModel, path: str | os.PathLike[str]) -> None:
    """Writes a model into a folder, atomically; what was there is replaced."""
    write_checkpoint(Path(path), model.checkpoint)


def with_alphabet(
    model: ModelCheckpoint, alphabet: tuple[str, ...]
) -> tuple[ModelCheckpoint, list[str]]:
    """A recognizer for another alphabet, and the characters that it must still learn."""
    params = dict(model.variables["params"])
    params["head"], new = change_head(params["head"], model.alphabet, alphabet)
    spec = {**model.spec, "num_classes": len(alphabet) + 1}
    variables = {**model.variables, "params": params}
    return replace(model, variables=variables, spec=spec, alphabet=alphabet), new


def apply_dl_model(
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]], model: DLModel
) -> list[DLResult]:
    """Applies a model to samples.

    Args:
        samples: One DLSample or several; of each the key `image` is used.
        model: Of type "ocr_recognition" (images are word crops) or "ocr_detection".

    Returns:
        One DLResult a sample: `word` and `char_candidates`, or `score_maps` and `words` (boxes).

    Raises:
        ParameterValueError: A sample without image, or a model of another type.
        ImageError: An image that cannot be used.
    """
    batch = [samples] if isinstance(samples, Mapping) else list(samples)
    for index, sample in enumerate(batch):
        if "image" not in sample:
            raise ParameterValueError(f"sample {index} has no 'image'; it has {sorted(sample)}")
    images = [as_rgb(np.asarray(s["image"])) for s in batch]
    keep_programs(model_cache_dir() / "programs")
    if model.checkpoint.kind == "ocr_recognition":
        return _recognize(images, model)
    if task_of(model.checkpoint.kind) == "ocr_detection":
        return _detect(images, model)
    raise ParameterValueError(
        f"apply_dl_model does not take a model of type {model.checkpoint.kind!r}"
    )


def _recognize(images: list[np.ndarray], model: DLModel) -> list[DLResult]:
    columns = np.arange(len(model.checkpoint.alphabet) + 1)
    devices = resolve_devices(model.training.device)
    net = make_recognizer_net(model.checkpoint, devices, columns)
    return [word_keys(c.reading) for c in read_word_images(images, net, RecognitionSettings())]


def _detect(images: list[np.ndarray], model: DLModel) -> list[DLResult]:
    net = make_detector_net(model.checkpoint, resolve_devices(model.training.device))
    results: list[DLResult] = []
    for found in search(images, net, DetectionSettings()):
        results.append({"score_maps": found.score_maps, "words": box_keys(found.boxes)})
    return results


def box_keys(boxes: np.ndarray) -> Boxes:
    """[n, 5] -> the five keys of a rotated box, each [n]."""
    row, col, phi, length1, length2 = np.array(boxes, np.float64).reshape(-1, 5).T.copy()
    return {"row": row, "col": col, "phi": phi, "length1": length1, "length2": length2}


def word_keys(reading: Reading) -> DLResult:
    """The public form of a word that was read: `word`, `char_candidates`, `confidence`."""
    return {
        "word": "".join(reading.text),
        "char_candidates": char_candidates(reading.candidates, reading.confidences),
        "confidence": least_confidence(reading.confidences),
    }


def char_candidates(
    candidates: Sequence[Sequence[str]], confidences: Sequence[Sequence[float]]
) -> list[CharCandidates]:
    """The public form of the characters' candidates."""
    pairs = zip(candidates, confidences, strict=True)
    return [{"candidate": list(c), "confidence": list(v)} for c, v in pairs]
