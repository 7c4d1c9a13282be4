"""The parameters of a Deep OCR handle: defaults, ranges, and how a value is understood."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepocr_jax.errors import ParameterValueError

STRIDE_PX = 32


@dataclass(frozen=True)
class Parameters:
    """Values of the parameters that do not belong to a model.

    `detection_min_character_score`, `_min_link_score` and `_min_word_score` are the thresholds of
    score-map detectors. A detector with a text-probability map (DB) has its own three:
    `detection_min_pixel_score`, `detection_min_region_score`, `detection_box_unclip_ratio`.
    A batch size of 0 stands for one chosen for the device.
    """

    detection_device: Any = None
    recognition_device: Any = None
    detection_image_width: int = 1024
    detection_image_height: int = 1024
    detection_min_character_score: float = 0.5
    detection_min_link_score: float = 0.3
    detection_min_word_score: float = 0.7
    detection_min_word_area: float = 10.0
    detection_min_pixel_score: float = 0.3
    detection_min_region_score: float = 0.5
    detection_box_unclip_ratio: float = 1.6
    detection_orientation: str | float = "auto"
    detection_sort_by_line: bool = True
    detection_tiling: bool = False
    detection_tiling_overlap: int = 60
    detection_straighten: bool = True
    detection_look: bool = False
    detection_boxes_on_device: bool = False
    detection_batch_size: int = 0
    detection_optimize_for_inference: bool = False
    recognition_batch_size: int = 0
    recognition_alphabet: tuple[str, ...] = ()
    recognition_alphabet_mapping: tuple[int, ...] = ()
    recognition_num_char_candidates: int = 3
    recognition_image_width: int = 2048
    recognition_alignment: bool = False
    recognition_draft: bool = False
    recognition_min_confidence: float = 0.7
    recognition_optimize_for_inference: bool = False
    image_max_pixels: int = 2**28


Parser = Callable[[str, Any], Any]


def number(low: float, high: float = math.inf, integer: bool = False) -> Parser:
    """Parser of a number within [low, high]; text such as "0.5" is taken for the number."""

    def parse(name: str, value: Any) -> float | int:
        wanted = "an integer" if integer else "a number"
        span = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f">= {low:g}"
        error = ParameterValueError(f"{name}: expected {wanted} {span}, got {value!r}")
        if isinstance(value, (bool, np.bool_)):
            raise error
        try:
            result = float(value)
        except (TypeError, ValueError, OverflowError):
            raise error from None
        in_range = math.isfinite(result) and low <= result <= high
        if not in_range or (integer and not result.is_integer()):
            raise error
        return int(result) if integer else result

    return parse


def side(name: str, value: Any) -> int:
    """Parser of an image side in pixels, rounded up to a multiple of 32."""
    return math.ceil(number(STRIDE_PX, 16384, integer=True)(name, value) / STRIDE_PX) * STRIDE_PX


def boolean(name: str, value: Any) -> bool:
    """Parser of true and false, also as text."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ParameterValueError(f"{name}: expected True or False, got {value!r}")


def orientation(name: str, value: Any) -> str | float:
    """Parser of "auto" or degrees in [-180, 180]."""
    if isinstance(value, str) and value == "auto":
        return value
    try:
        return float(number(-180, 180)(name, value))
    except ParameterValueError:
        raise ParameterValueError(
            f'{name}: expected "auto" or degrees in [-180, 180], got {value!r}'
        ) from None


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """The two entries of [width, height]; text as "1024,768" is taken, too."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        width, height = parts
    except (TypeError, ValueError):
        raise ParameterValueError(f"{name}: expected [width, height], got {value!r}") from None
    return width, height


def sides(name: str, value: Any) -> tuple[int, int]:
    """Parser of [width, height], each rounded up to a multiple of 32."""
    width, height = pair(name, value)
    return side(name, width), side(name, height)


PARSERS: dict[str, Parser] = {
    "detection_image_width": side,
    "detection_image_height": side,
    "detection_min_character_score": number(0, 1),
    "detection_min_link_score": number(0, 1),
    "detection_min_word_score": number(0, 1),
    "detection_min_word_area": number(0),
    "detection_min_pixel_score": number(0, 1),
    "detection_min_region_score": number(0, 1),
    "detection_box_unclip_ratio": number(0, 10),
    "detection_orientation": orientation,
    "detection_sort_by_line": boolean,
    "detection_tiling": boolean,
    "detection_tiling_overlap": number(0, 4096, integer=True),
    "detection_straighten": boolean,
    "detection_look": boolean,
    "detection_boxes_on_device": boolean,
    "detection_batch_size": number(1, 4096, integer=True),
    "detection_optimize_for_inference": boolean,
    "recognition_batch_size": number(1, 65536, integer=True),
    "recognition_num_char_candidates": number(1, 100, integer=True),
    "recognition_image_width": side,
    "recognition_alignment": boolean,
    "recognition_draft": boolean,
    "recognition_min_confidence": number(0, 1),
    "recognition_optimize_for_inference": boolean,
    "image_max_pixels": number(1, integer=True),
}
