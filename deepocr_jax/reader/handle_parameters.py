"""The table of a handle's parameters: how each is set and read."""

import operator
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.dl.model import TEXT_AXES_MODEL, DLModel, load_model, with_alphabet
from deepocr_jax.errors import ModeError, ParameterValueError
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.recognizer import LINE_HEIGHT, group_size
from deepocr_jax.infer.tiles import detection_batch_size
from deepocr_jax.models.registry import SCORE_MAP_KIND
from deepocr_jax.parameters import PARSERS, Parameters, pair, sides
from deepocr_jax.reader.handle import (
    State,
    parameters_of_recognizer,
    rebuilt,
    with_parameters,
)
from deepocr_jax.text.alphabet import as_characters, resolve_alphabet
from deepocr_jax.types import SCORE_MAP_NAMES


def check_component(state: State, name: str) -> None:
    """Refuses a parameter of a component that the handle lacks.

    Raises:
        ModeError: The component is missing.
    """
    component = name.split("_")[0]
    if component in ("detection", "recognition") and getattr(state, component) is None:
        raise ModeError(
            f"{name}: this handle has no {component} component; "
            f'create it with mode="auto" or mode="{component}"'
        )


Setter = Callable[[State, Any], State]

# Networks that must be made anew when a parameter changes.
_REBUILDS = {
    "detection_optimize_for_inference": ("detector", "looks"),
    "recognition_optimize_for_inference": ("recognizer",),
    "recognition_num_char_candidates": ("recognizer",),
    "recognition_draft": ("recognizer",),
}


def _plain_setter(name: str) -> Setter:
    def set_value(state: State, value: Any) -> State:
        parsed = PARSERS[name](name, value)
        return rebuilt(with_parameters(state, **{name: parsed}), _REBUILDS.get(name, ()))

    return set_value


def _set_device(*components: str) -> Setter:
    def set_value(state: State, value: Any) -> State:
        state = with_parameters(state, **{f"{c}_device": value for c in components})
        parts = {"detection": ("detector", "looks"), "recognition": ("recognizer", "orientation")}
        return rebuilt(state, [net for c in components for net in parts[c]])

    return set_value


def _set_look(state: State, value: Any) -> State:
    """The network that looks is had when it is first asked for."""
    state = _plain_setter("detection_look")(state, value)
    if not state.parameters.detection_look or state.text_axes is not None:
        return state
    return rebuilt(
        replace(state, text_axes=load_model(TEXT_AXES_MODEL, "ocr_text_axes")), ("looks",)
    )


def _set_detection_size(state: State, value: Any) -> State:
    width, height = sides("detection_image_size", value)
    return with_parameters(state, detection_image_width=width, detection_image_height=height)


def _set_recognition_height(state: State, value: Any) -> State:
    if str(value) != str(LINE_HEIGHT):
        raise ParameterValueError(
            f"recognition_image_height: this recognizer takes {LINE_HEIGHT}, got {value!r}"
        )
    return state


def _set_recognition_size(state: State, value: Any) -> State:
    width, height = pair("recognition_image_size", value)
    state = _set_recognition_height(state, height)
    return SETTERS["recognition_image_width"](state, width)


def _set_detection_model(state: State, value: Any) -> State:
    _check_not_optimized(state, "detection")
    return rebuilt(replace(state, detection=load_model(value, "ocr_detection")), ("detector",))


def _set_recognition_model(state: State, value: Any) -> State:
    _check_not_optimized(state, "recognition")
    return _with_recognizer(state, load_model(value, "ocr_recognition"))


def _with_recognizer(state: State, model: ModelCheckpoint) -> State:
    """Another recognizer; the alphabet becomes its own, since the old one need not fit."""
    state = replace(state, recognition=model)
    state = with_parameters(state, **parameters_of_recognizer(model))
    return rebuilt(state, ("recognizer",))


def _check_not_optimized(state: State, component: str) -> None:
    if getattr(state.parameters, f"{component}_optimize_for_inference"):
        raise ParameterValueError(
            f"the {component} component is optimized for inference; its architecture cannot change "
            f"any more. Set {component}_optimize_for_inference to False first"
        )


def _set_alphabet(state: State, value: Any) -> State:
    assert state.recognition is not None
    alphabet = resolve_alphabet(value, state.recognition.alphabet)
    changed = with_parameters(state, recognition_alphabet=alphabet, recognition_alphabet_mapping=())
    return rebuilt(changed, ("recognizer",))


def _set_alphabet_internal(state: State, value: Any) -> State:
    assert state.recognition is not None
    _check_not_optimized(state, "recognition")
    characters = as_characters(value)
    if characters and characters[0] == "":  # As `get` returns it, the blank first.
        characters = characters[1:]
    if (
        not characters
        or len(set(characters)) < len(characters)
        or not all(isinstance(c, str) and len(c) == 1 for c in characters)
    ):
        raise ParameterValueError(
            "recognition_alphabet_internal: expected different single characters (the blank, '', "
            f"may stand first), got {value!r:.200}"
        )
    if characters == state.recognition.alphabet:
        return state
    model, new = with_alphabet(state.recognition, characters)
    if new:
        warnings.warn(
            f"the recognizer has {len(new)} new characters ({''.join(new[:20])}) that it cannot "
            "read before it is trained",
            stacklevel=3,
        )
    return _with_recognizer(state, model)


def _set_mapping(state: State, value: Any) -> State:
    mapping = parse_mapping(value, len(state.parameters.recognition_alphabet))
    changed = with_parameters(state, recognition_alphabet_mapping=mapping)
    return rebuilt(changed, ("recognizer",))


def parse_mapping(value: Any, length: int) -> tuple[int, ...]:
    """Parser of an alphabet mapping: one entry a character.

    Raises:
        ParameterValueError: Of another length, out of range, or nothing could be read.
    """
    name = "recognition_alphabet_mapping"
    parts = value.split(",") if isinstance(value, str) else value
    try:
        mapping = tuple(int(v) if isinstance(v, str) else operator.index(v) for v in parts)
    except (TypeError, ValueError):
        raise ParameterValueError(f"{name}: expected integers, got {value!r:.200}") from None
    if len(mapping) != length:
        raise ParameterValueError(
            f"{name}: expected one entry a character of recognition_alphabet ({length}), "
            f"got {len(mapping)}"
        )
    if any(not 0 <= v <= length for v in mapping):
        raise ParameterValueError(
            f"{name}: expected 0 (never decoded) or a position 1 to {length} in "
            "recognition_alphabet"
        )
    if not any(mapping):
        raise ParameterValueError(f"{name}: all entries are 0, so nothing could be read")
    return mapping


def _get_mapping(state: State) -> list[int]:
    p = state.parameters
    return list(p.recognition_alphabet_mapping or range(1, len(p.recognition_alphabet) + 1))


def _model_of(state: State, component: str) -> ModelCheckpoint:
    model = getattr(state, component)
    assert model is not None
    return model


SETTERS: dict[str, Setter] = {
    **{name: _plain_setter(name) for name in PARSERS},
    "device": lambda s, v: _set_device(
        *(c for c in ("detection", "recognition") if getattr(s, c) is not None)
    )(s, v),
    "detection_device": _set_device("detection"),
    "recognition_device": _set_device("recognition"),
    "detection_model": _set_detection_model,
    "recognition_model": _set_recognition_model,
    "detection_image_size": _set_detection_size,
    "detection_look": _set_look,
    "recognition_image_height": _set_recognition_height,
    "recognition_image_size": _set_recognition_size,
    "recognition_alphabet": _set_alphabet,
    "recognition_alphabet_internal": _set_alphabet_internal,
    "recognition_alphabet_mapping": _set_mapping,
}

_WRITE_ONLY = {"detection_optimize_for_inference", "recognition_optimize_for_inference"}
Getter = Callable[[State], Any]


def _devices_of(name: str) -> Getter:
    def get_value(state: State) -> Any:
        devices = resolve_devices(getattr(state.parameters, name))
        return devices[0] if len(devices) == 1 else list(devices)

    return get_value


GETTERS: dict[str, Getter] = {
    **{
        f.name: (lambda s, name=f.name: getattr(s.parameters, name))
        for f in fields(Parameters)
        if f.name not in _WRITE_ONLY
    },
    "device": lambda s: _devices_of(
        "recognition_device" if s.detection is None else "detection_device"
    )(s),
    "detection_device": _devices_of("detection_device"),
    "recognition_device": _devices_of("recognition_device"),
    "detection_batch_size": lambda s: detection_batch_size(
        s.parameters.detection_batch_size,
        resolve_devices(s.parameters.detection_device)[0].platform,
    ),
    "recognition_batch_size": lambda s: (
        s.parameters.recognition_batch_size
        or group_size(160, resolve_devices(s.parameters.recognition_device)[0].platform)
    ),
    "detection_model": lambda s: DLModel(_model_of(s, "detection")),
    "recognition_model": lambda s: DLModel(_model_of(s, "recognition")),
    "detection_score_map_names": lambda s: (
        list(SCORE_MAP_NAMES) if _model_of(s, "detection").kind == SCORE_MAP_KIND else ["text"]
    ),
    "detection_image_size": lambda s: [
        s.parameters.detection_image_width,
        s.parameters.detection_image_height,
    ],
    "detection_image_dimensions": lambda s: [*GETTERS["detection_image_size"](s), 3],
    "recognition_image_height": lambda s: LINE_HEIGHT,
    "recognition_image_size": lambda s: [s.parameters.recognition_image_width, LINE_HEIGHT],
    "recognition_image_dimensions": lambda s: [*GETTERS["recognition_image_size"](s), 3],
    "recognition_alphabet": lambda s: list(s.parameters.recognition_alphabet),
    "recognition_alphabet_internal": lambda s: ["", *_model_of(s, "recognition").alphabet],
    "recognition_alphabet_mapping": _get_mapping,
}
