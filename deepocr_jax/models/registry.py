"""The architectures by name, written by hand: a name -> a specification."""

import json
from dataclasses import asdict, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import flax.linen as nn
import jax.numpy as jnp

from deepocr_jax.models.detector import Detector, DetectorSpec
from deepocr_jax.models.lcnet import BlockSpec, LCNetSpec
from deepocr_jax.models.orientation import (
    InvertedResidualSpec,
    OrientationClassifier,
    OrientationSpec,
)
from deepocr_jax.models.recognizer import Recognizer, RecognizerSpec
from deepocr_jax.models.score_maps import ScoreMapDetector, ScoreMapSpec, score_map_spec
from deepocr_jax.models.text_axes import TextAxes, TextAxesSpec, text_axes_spec


def _pairs(features: int, count: int) -> tuple[BlockSpec, ...]:
    """`count` times a gated and an ungated block."""
    return (BlockSpec(features, squeeze=True), BlockSpec(features)) * count


def detector_spec(stem: int, depths: tuple[int, ...], neck: int) -> DetectorSpec:
    """The detector whose four stages have widths 2, 4, 8, 16 times the stem's."""
    stages = []
    for stage, depth in enumerate(depths):
        features = stem * 2 ** (stage + 1)
        entry = () if stage == 0 else (BlockSpec(features, (2, 2)),)
        stages.append(entry + _pairs(features, depth))
    return DetectorSpec(LCNetSpec(stem, tuple(stages)), neck)


def recognizer_spec(stem: int, neck: int, num_classes: int) -> RecognizerSpec:
    """The recognizer whose stages have widths 2, 2, 4, 8 times the stem's; rows shrink by 4."""
    w = 2 * stem
    stages = (
        _pairs(w, 1),
        (BlockSpec(w),),
        (BlockSpec(2 * w, (2, 1)), *_pairs(2 * w, 3)),
        (BlockSpec(4 * w, (2, 1)), *_pairs(4 * w, 1)),
    )
    return RecognizerSpec(LCNetSpec(stem, stages), neck, num_classes)


def orientation_spec() -> OrientationSpec:
    """MobileNetV3-small at width 0.35 with strides over the rows only."""
    b = InvertedResidualSpec
    blocks = (
        b(8, 8, 3, 2, True, False),
        b(24, 8, 3, 2, False, False),
        b(32, 8, 3, 1, False, False),
        b(32, 16, 5, 2, True, True),
        b(88, 16, 5, 1, True, True),
        b(88, 16, 5, 1, True, True),
        b(40, 16, 5, 1, True, True),
        b(48, 16, 5, 1, True, True),
        b(104, 32, 5, 2, True, True),
        b(200, 32, 5, 1, True, True),
        b(200, 32, 5, 1, True, True),
    )
    return OrientationSpec(8, blocks, 200)


DETECTORS: dict[str, DetectorSpec] = {
    "ppocrv6_small": detector_spec(stem=24, depths=(1, 1, 2, 1), neck=96),
}
SCORE_MAP_DETECTORS: dict[str, ScoreMapSpec] = {
    name: score_map_spec(spec) for name, spec in DETECTORS.items()
}
TEXT_AXES: dict[str, TextAxesSpec] = {
    name: text_axes_spec(spec) for name, spec in DETECTORS.items()
}
RECOGNIZERS: dict[str, RecognizerSpec] = {
    "ppocrv6_small": recognizer_spec(stem=48, neck=120, num_classes=18_710),
}
ORIENTATIONS: dict[str, OrientationSpec] = {
    "ppocr_mobile_v2": orientation_spec(),
}

SCORE_MAP_KIND = "ocr_detection_score_maps"
TEXT_AXES_KIND = "ocr_text_axes"

KINDS: dict[str, tuple[dict, type[nn.Module]]] = {
    "ocr_detection": (DETECTORS, Detector),
    SCORE_MAP_KIND: (SCORE_MAP_DETECTORS, ScoreMapDetector),
    TEXT_AXES_KIND: (TEXT_AXES, TextAxes),
    "ocr_recognition": (RECOGNIZERS, Recognizer),
    "ocr_orientation": (ORIENTATIONS, OrientationClassifier),
}


def make_model(kind: str, spec: Any, dtype: Any = jnp.float32) -> nn.Module:
    """The network of `kind` for a specification or for the name of one.

    Raises:
        KeyError: Unknown kind or name.
    """
    specs, network = KINDS[kind]
    return network(specs[spec] if isinstance(spec, str) else spec, dtype=dtype)


def task_of(kind: str) -> str:
    """What a model of a kind is for, its public type: both detectors are "ocr_detection"."""
    return "ocr_detection" if kind == SCORE_MAP_KIND else kind


def spec_to_dict(spec: Any) -> dict[str, Any]:
    """A specification as plain dictionaries and lists, for a checkpoint's description."""
    return json.loads(json.dumps(asdict(spec)))


def spec_from_dict(kind: str, values: dict[str, Any]) -> Any:
    """The inverse of `spec_to_dict`.

    Raises:
        KeyError, TypeError: Unknown kind, missing or unknown entries.
    """
    return _rebuild(SPEC_TYPES[kind], values)


SPEC_TYPES: dict[str, type] = {
    "ocr_detection": DetectorSpec,
    SCORE_MAP_KIND: ScoreMapSpec,
    TEXT_AXES_KIND: TextAxesSpec,
    "ocr_recognition": RecognizerSpec,
    "ocr_orientation": OrientationSpec,
}


def _rebuild(annotation: Any, value: Any) -> Any:
    """Plain JSON values -> the frozen dataclasses and tuples that an annotation names."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return annotation(**{k: _rebuild(hints[k], v) for k, v in value.items()})
    if get_origin(annotation) is tuple:
        return tuple(_rebuild(get_args(annotation)[0], v) for v in value)
    return annotation(value)
