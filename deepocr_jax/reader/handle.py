"""What a Deep OCR handle holds: parameters, models, and the networks made of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.errors import ModeError, ParameterValueError
from deepocr_jax.infer.detector import DetectionSettings, make_detector_net
from deepocr_jax.infer.looks import make_look_net
from deepocr_jax.infer.orientation import make_orientation_net
from deepocr_jax.infer.pipeline import Networks, PageSettings
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.readings import RecognitionSettings
from deepocr_jax.infer.recognizer import make_recognizer_net
from deepocr_jax.parameters import Parameters
from deepocr_jax.postprocess.db_regions import RegionParams
from deepocr_jax.postprocess.score_map_words import ScoreMapParams
from deepocr_jax.text.alphabet import class_columns

MODES = ("auto", "detection", "recognition")


@dataclass(frozen=True)
class State:
    """Everything that a handle holds; never changed, only replaced, so calls can run in threads."""

    parameters: Parameters
    detection: ModelCheckpoint | None
    recognition: ModelCheckpoint | None
    orientation: ModelCheckpoint | None
    text_axes: ModelCheckpoint | None
    nets: Networks


class DeepOCR:
    """A Deep OCR handle; made by `create_deep_ocr` or `read_deep_ocr`."""

    def __init__(self, state: State) -> None:
        """Wraps a state."""
        self.state = state

    def __repr__(self) -> str:
        s = self.state
        parts = [
            f"{k}={m.source!r}"
            for k, m in (("detection", s.detection), ("recognition", s.recognition))
            if m
        ]
        return f"DeepOCR({', '.join(parts)})"


def make_handle(
    parameters: Parameters,
    detection: ModelCheckpoint | None,
    recognition: ModelCheckpoint | None,
    orientation: ModelCheckpoint | None,
    text_axes: ModelCheckpoint | None = None,
) -> DeepOCR:
    """A handle with its networks made; without an alphabet it takes what suits the recognizer."""
    nets = Networks(None, None, None)
    state = State(parameters, detection, recognition, orientation, text_axes, nets)
    if recognition is not None and not parameters.recognition_alphabet:
        state = with_parameters(state, **parameters_of_recognizer(recognition))
    return DeepOCR(rebuilt(state, ("detector", "looks", "recognizer", "orientation")))


def parameters_of_recognizer(model: ModelCheckpoint) -> dict[str, Any]:
    """The parameters that belong to a recognizer: values with which it reads as it learned to."""
    return {"recognition_alphabet": model.alphabet, "recognition_alphabet_mapping": ()}


def check_mode(mode: str) -> None:
    """Raises unless there is such a mode."""
    if mode not in MODES:
        raise ParameterValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")


def resolve_mode(state: State, mode: str) -> str:
    """What a mode means for a handle: "auto" is the mode of the one component where it has one.

    Raises:
        ParameterValueError: No such mode.
        ModeError: The handle lacks a component that the mode needs.
    """
    check_mode(mode)
    if mode == "auto" and state.recognition is None:
        mode = "detection"
    elif mode == "auto" and state.detection is None:
        mode = "recognition"
    needed = ("detection", "recognition") if mode == "auto" else (mode,)
    missing = [c for c in needed if getattr(state, c) is None]
    if missing:
        raise ModeError(
            f'mode "{mode}" needs the {missing[0]} component, which this handle lacks; '
            f'create the handle with mode="auto" or mode="{missing[0]}"'
        )
    return mode


def with_parameters(state: State, **values: Any) -> State:
    """The state with other values of parameters; its networks stay."""
    return replace(state, parameters=replace(state.parameters, **values))


def rebuilt(state: State, parts: Sequence[str]) -> State:
    """The state with some networks made anew from its models and parameters."""
    nets, p = state.nets, state.parameters
    if "detector" in parts and state.detection is not None:
        devices = _devices("detection_device", p.detection_device)
        dtype = _dtype(p.detection_optimize_for_inference, devices)
        nets = replace(nets, detector=make_detector_net(state.detection, devices, dtype))
    if "looks" in parts and state.text_axes is not None:
        devices = _devices("detection_device", p.detection_device)
        dtype = _dtype(p.detection_optimize_for_inference, devices)
        nets = replace(nets, looks=make_look_net(state.text_axes, devices, dtype))
    if "orientation" in parts and state.orientation is not None:
        device = _devices("recognition_device", p.recognition_device)[0]
        nets = replace(nets, orientation=make_orientation_net(state.orientation, device))
    if "recognizer" in parts and state.recognition is not None:
        devices = _devices("recognition_device", p.recognition_device)
        model = state.recognition
        mapping = (
            np.array([0, *p.recognition_alphabet_mapping])
            if p.recognition_alphabet_mapping
            else None
        )
        net = make_recognizer_net(
            model,
            devices,
            class_columns(p.recognition_alphabet, model.alphabet),
            mapping,
            p.recognition_num_char_candidates,
            _dtype(p.recognition_optimize_for_inference, devices),
            p.recognition_draft,
        )
        nets = replace(nets, recognizer=net)
    return replace(state, nets=nets)


def _devices(name: str, value: Any) -> tuple:
    try:
        return resolve_devices(value)
    except ValueError as error:
        raise ParameterValueError(f"{name}: {error}") from None


def _dtype(optimize: bool, devices: tuple) -> str:
    """Half precision pays on accelerators; the host computes fastest in float32."""
    return "bfloat16" if optimize and devices[0].platform != "cpu" else "float32"


def page_settings(p: Parameters) -> PageSettings:
    """The parameters in the form that the pipeline takes."""
    auto = p.detection_orientation == "auto"
    return PageSettings(
        detection=DetectionSettings(
            height=p.detection_image_height,
            width=p.detection_image_width,
            tiling=p.detection_tiling,
            tiling_overlap=p.detection_tiling_overlap,
            straighten=p.detection_straighten,
            look=p.detection_look,
            boxes_on_device=p.detection_boxes_on_device,
            batch_size=p.detection_batch_size,
            regions=RegionParams(
                min_pixel_score=p.detection_min_pixel_score,
                min_region_score=p.detection_min_region_score,
                unclip_ratio=p.detection_box_unclip_ratio,
            ),
            words=ScoreMapParams(
                min_character_score=p.detection_min_character_score,
                min_link_score=p.detection_min_link_score,
                min_word_score=p.detection_min_word_score,
            ),
        ),
        recognition=RecognitionSettings(
            max_width=p.recognition_image_width,
            num_candidates=p.recognition_num_char_candidates,
            batch_size=p.recognition_batch_size,
            alignment=p.recognition_alignment,
        ),
        orientation_rad=None if auto else float(np.deg2rad(float(p.detection_orientation))),
        sort_by_line=p.detection_sort_by_line,
        min_confidence=p.recognition_min_confidence,
        min_word_area=p.detection_min_word_area,
    )
