"""The table of a DL model's parameters: how each is set and read."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from deepocr_jax.checkpoint import flat_items
from deepocr_jax.dl.model import DLModel, with_alphabet
from deepocr_jax.dl.training_parameters import IMAGE_WIDTH_PARSER, PARSERS, TrainingParameters
from deepocr_jax.errors import ParameterError, ParameterValueError, UnknownParameterError
from deepocr_jax.infer.detector import DetectionSettings
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.infer.recognizer import LINE_HEIGHT
from deepocr_jax.models.registry import task_of
from deepocr_jax.parameters import pair
from deepocr_jax.text.alphabet import NAMED, as_characters, resolve_alphabet

__all__ = ["GETTERS", "SETTERS", "TrainingParameters", "get_dl_model_param", "set_dl_model_param"]

ORIENTATION_IMAGE_SIZE = (192, 48)
CHANNELS = 3
# The width of a detector's image is chosen in the handle; only crops have a width of the model's.
RECOGNITION_ONLY = ("alphabet", "image_width", "image_dimensions")

Setter = Callable[[DLModel, Any], DLModel]
Getter = Callable[[DLModel], Any]


def get_dl_model_param(model: DLModel, name: str) -> Any:
    """A parameter of a model.

    Args:
        model: The model.
        name: `type`, `alphabet` (recognition only), `image_width`, `image_height`,
            `image_num_channels`, `image_dimensions` ([width, height, channels]), `image_range_min`,
            `image_range_max`, `num_trainable_params`, `summary`, `meta_data`, `license`, `source`,
            `sha256`, or a field of `TrainingParameters`.

    Raises:
        UnknownParameterError: No such parameter for this type of model.
        ParameterValueError: Not a model.
    """
    getters = _allowed(GETTERS, model, ("alphabet",))
    if name not in getters:
        raise UnknownParameterError(name, getters)
    return getters[name](model)


def set_dl_model_param(model: DLModel, name: str, value: Any) -> None:
    """Sets a parameter of a model; it stays as it was if the value is refused.

    Args:
        model: The model; changed in place.
        name: `meta_data` (text by text, written with the model), a field of `TrainingParameters`,
            or, of a recognition model, `alphabet`, `image_width`, `image_dimensions`.
        value: Its value. An alphabet is a sequence of characters, or the name of a set, which is
            cut to the characters that the model knows. A changed one keeps the rows of the shared
            characters; new ones start afresh.

    Raises:
        UnknownParameterError: No such parameter for this type of model.
        ParameterError: A parameter that can only be read.
        ParameterValueError: The value is of the wrong type or out of range.

    Warns:
        UserWarning: The alphabet has characters that the model cannot read before it is trained.
    """
    setters = _allowed(SETTERS, model, RECOGNITION_ONLY)
    if name not in setters:
        if name in GETTERS:
            raise ParameterError(
                f"{name} of a model of type {model.checkpoint.kind!r} can only be read; these can "
                f"be set: {', '.join(sorted(setters))}"
            )
        raise UnknownParameterError(name, setters)
    changed = setters[name](model, value)
    model.checkpoint, model.training = changed.checkpoint, changed.training


def _allowed(table: dict[str, Any], model: DLModel, recognition_only: tuple[str, ...]) -> dict:
    """The part of a table that the type of a model has."""
    if not isinstance(model, DLModel):
        raise ParameterValueError(f"expected a DL model, as read_dl_model gives it, got {model!r}")
    if model.checkpoint.kind == "ocr_recognition":
        return table
    return {name: value for name, value in table.items() if name not in recognition_only}


def _with_training(model: DLModel, **values: Any) -> DLModel:
    return replace(model, training=replace(model.training, **values))


def _plain_setter(name: str) -> Setter:
    return lambda model, value: _with_training(model, **{name: PARSERS[name](name, value)})


def _set_device(model: DLModel, value: Any) -> DLModel:
    try:
        resolve_devices(value)
    except ValueError as error:
        raise ParameterValueError(f"device: {error}") from None
    return _with_training(model, device=value)


def _set_image_width(model: DLModel, value: Any) -> DLModel:
    return _with_training(model, image_width=IMAGE_WIDTH_PARSER("image_width", value))


def _set_image_dimensions(model: DLModel, value: Any) -> DLModel:
    parts = value.split(",") if isinstance(value, str) else value
    expected = f"image_dimensions: expected [width, {LINE_HEIGHT}, {CHANNELS}], got {value!r}"
    try:
        width, *rest = parts
    except (TypeError, ValueError):
        raise ParameterValueError(expected) from None
    # The number of channels may be left out.
    height, channels = pair("image_dimensions", rest if len(rest) != 1 else [*rest, CHANNELS])
    if (str(height).strip(), str(channels).strip()) != (str(LINE_HEIGHT), str(CHANNELS)):
        raise ParameterValueError(expected)
    return _set_image_width(model, width)


def _set_alphabet(model: DLModel, value: Any) -> DLModel:
    known = model.checkpoint.alphabet
    # What is no named set may have any characters: those that are new are learned.
    named = isinstance(value, str) and value in NAMED
    alphabet = resolve_alphabet(value, known if named else as_characters(value))
    if alphabet == known:
        return model
    checkpoint, new = with_alphabet(model.checkpoint, alphabet)
    if new:
        warnings.warn(
            f"the model has {len(new)} new characters ({''.join(new[:20])}) that it cannot read "
            "before it is trained",
            stacklevel=3,
        )
    return replace(model, checkpoint=checkpoint)


def _set_meta_data(model: DLModel, value: Any) -> DLModel:
    entries = dict(value) if isinstance(value, Mapping) else None
    if entries is None or not all(isinstance(t, str) for pair in entries.items() for t in pair):
        raise ParameterValueError(
            f"meta_data: expected a dictionary of texts by text, got {value!r:.200}"
        )
    return replace(model, checkpoint=replace(model.checkpoint, meta_data=entries))


SETTERS: dict[str, Setter] = {
    **{name: _plain_setter(name) for name in PARSERS},
    "device": _set_device,
    "meta_data": _set_meta_data,
    "alphabet": _set_alphabet,
    "image_width": _set_image_width,
    "image_dimensions": _set_image_dimensions,
}


def _image_size(model: DLModel) -> tuple[int, int]:
    """(width, height) of a model's input."""
    if model.checkpoint.kind == "ocr_recognition":
        return model.training.image_width, LINE_HEIGHT
    if model.checkpoint.kind == "ocr_orientation":
        return ORIENTATION_IMAGE_SIZE
    return DetectionSettings().width, DetectionSettings().height


def _parameters(model: DLModel) -> list[tuple[str, Any]]:
    return flat_items(model.checkpoint.variables["params"])


def _device(model: DLModel) -> Any:
    devices = resolve_devices(model.training.device)
    return devices[0] if len(devices) == 1 else list(devices)


GETTERS: dict[str, Getter] = {
    **{
        f.name: (lambda model, name=f.name: getattr(model.training, name))
        for f in fields(TrainingParameters)
    },
    "device": _device,
    "type": lambda model: task_of(model.checkpoint.kind),
    "alphabet": lambda model: list(model.checkpoint.alphabet),
    "image_width": lambda model: _image_size(model)[0],
    "image_height": lambda model: _image_size(model)[1],
    "image_num_channels": lambda model: CHANNELS,
    "image_dimensions": lambda model: [*_image_size(model), CHANNELS],
    "image_range_min": lambda model: model.checkpoint.preprocess.image_range_min,
    "image_range_max": lambda model: model.checkpoint.preprocess.image_range_max,
    "num_trainable_params": lambda model: sum(a.size for _, a in _parameters(model)),
    "meta_data": lambda model: dict(model.checkpoint.meta_data),
    "license": lambda model: model.checkpoint.license,
    "source": lambda model: model.checkpoint.source,
    "sha256": lambda model: model.checkpoint.sha256,
    "summary": lambda model: "\n".join(f"{path} {a.shape}" for path, a in _parameters(model)),
}
