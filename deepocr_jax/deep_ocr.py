"""The operators: create, read, write, set, get, apply. A thin shell around `infer`."""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from deepocr_jax.checkpoint import (
    ModelCheckpoint,
    atomic_folder,
    read_checkpoint,
    read_description,
    write_into,
)
from deepocr_jax.dl_model import DLModel, box_keys, char_candidates, load_model, with_alphabet
from deepocr_jax.errors import (
    ImageBatchError,
    ImageError,
    ModeError,
    ModelFileError,
    ParameterValueError,
    UnknownParameterError,
)
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.infer.detector import DetectionSettings, make_detector_net
from deepocr_jax.infer.orientation import make_orientation_net
from deepocr_jax.infer.pipeline import (
    CropReading,
    Networks,
    Page,
    PageSettings,
    RecognitionSettings,
    read_pages,
    read_word_images,
)
from deepocr_jax.infer.programs import enable_compilation_cache, resolve_devices
from deepocr_jax.infer.recognizer import LINE_HEIGHT, make_recognizer_net
from deepocr_jax.parameters import PARSERS, Parameters, sides
from deepocr_jax.postprocess.db_regions import RegionParams
from deepocr_jax.pretrained import load_pretrained, model_cache_dir
from deepocr_jax.text.alphabet import class_columns, resolve_alphabet
from deepocr_jax.types import DeepOCRResult

MODES = ("auto", "detection", "recognition")
HANDLE_FORMAT = "deepocr_jax handle"
HANDLE_FILE = "deep_ocr.json"
ORIENTATION_MODEL = "ppocr_mobile_v2_orientation"
ImageSource = np.ndarray | str | os.PathLike[str] | bytes


@dataclass(frozen=True)
class State:
    """Everything that a handle holds; never changed, only replaced, so calls can run in threads."""

    parameters: Parameters
    detection: ModelCheckpoint | None
    recognition: ModelCheckpoint | None
    orientation: ModelCheckpoint | None
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


# --- create, read, write ------------------------------------------------------------------------


def create_deep_ocr(mode: str = "auto", **params: Any) -> DeepOCR:
    """A handle with a detection and a recognition component.

    Args:
        mode: "auto" for both components, "detection" or "recognition" for one.
        **params: Parameters to set, by the names of `set_deep_ocr_param`; `detection_model` and
            `recognition_model` take a name, a folder or a DL model handle.

    Raises:
        ParameterError: Unknown mode or parameter, or a value out of range.
        ModelFileError, WeightsError: A model cannot be had.
    """
    _check_mode(mode)
    enable_compilation_cache(model_cache_dir() / "xla")
    detection = recognition = orientation = None
    if mode != "recognition":
        source = params.pop("detection_model", "pretrained_deep_ocr_detection")
        detection = load_model(source, "ocr_detection")
    if mode != "detection":
        source = params.pop("recognition_model", "pretrained_deep_ocr_recognition")
        recognition = load_model(source, "ocr_recognition")
    if mode == "auto":
        orientation = load_pretrained(ORIENTATION_MODEL)
    handle = _make_handle(Parameters(), detection, recognition, orientation)
    for name, value in params.items():
        set_deep_ocr_param(handle, name, value)
    return handle


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ParameterValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")


def _make_handle(
    parameters: Parameters,
    detection: ModelCheckpoint | None,
    recognition: ModelCheckpoint | None,
    orientation: ModelCheckpoint | None,
) -> DeepOCR:
    state = State(parameters, detection, recognition, orientation, Networks(None, None, None))
    if recognition is not None and not parameters.recognition_alphabet:
        state = _with_parameters(state, recognition_alphabet=recognition.alphabet)
    return DeepOCR(_rebuilt(state, ("detector", "recognizer", "orientation")))


def write_deep_ocr(handle: DeepOCR, path: str | os.PathLike[str]) -> None:
    """Writes the whole handle into a folder, atomically; what was there is replaced.

    Parameters, weights and alphabet are kept exactly; devices are not, since they belong to the
    machine.
    """
    state = handle.state
    values = asdict(state.parameters)
    del values["detection_device"], values["recognition_device"]
    description = {"format": HANDLE_FORMAT, "version": 1, "parameters": values}
    with atomic_folder(Path(path)) as draft:
        models = {
            "detection": state.detection,
            "recognition": state.recognition,
            "orientation": state.orientation,
        }
        description["components"] = [name for name, model in models.items() if model]
        for name, model in models.items():
            if model is not None:
                (draft / name).mkdir()
                write_into(draft / name, model)
        text = json.dumps(description, ensure_ascii=False, indent=1)
        (draft / HANDLE_FILE).write_text(text, encoding="utf-8")


def read_deep_ocr(path: str | os.PathLike[str]) -> DeepOCR:
    """Reads a handle that `write_deep_ocr` wrote.

    Raises:
        ModelFileError: The folder is missing, is not a handle's, or a file in it is damaged.
    """
    folder = Path(path)
    description = read_description(folder, HANDLE_FILE, HANDLE_FORMAT, 1)
    enable_compilation_cache(model_cache_dir() / "xla")
    try:
        values = dict(description["parameters"])
        components = list(description["components"])
        tuples = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        parameters = Parameters(**{**values, **tuples})
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{folder / HANDLE_FILE} lacks or garbles {error}") from error
    models = {
        name: read_checkpoint(folder / name) if name in components else None
        for name in ("detection", "recognition", "orientation")
    }
    return _make_handle(
        parameters, models["detection"], models["recognition"], models["orientation"]
    )


# --- networks from parameters -------------------------------------------------------------------


def _rebuilt(state: State, parts: Sequence[str]) -> State:
    """The state with some networks made anew from its models and parameters."""
    nets, p = state.nets, state.parameters
    if "detector" in parts and state.detection is not None:
        devices = _devices("detection_device", p.detection_device)
        dtype = _dtype(p.detection_optimize_for_inference, devices)
        nets = replace(nets, detector=make_detector_net(state.detection, devices, dtype))
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
            regions=RegionParams(
                min_pixel_score=p.detection_min_pixel_score,
                min_region_score=p.detection_min_region_score,
                unclip_ratio=p.detection_box_unclip_ratio,
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
        min_word_area=p.detection_min_word_area,
    )


# --- parameters ---------------------------------------------------------------------------------


def set_deep_ocr_param(handle: DeepOCR, name: str, value: Any) -> None:
    """Sets a parameter; the handle stays as it was if the value is refused.

    Raises:
        UnknownParameterError: No such parameter, or one that can only be read.
        ParameterValueError: The value is of the wrong type or out of range.
        ModeError: It belongs to a component that the handle lacks.
    """
    if name not in _SETTERS:
        raise UnknownParameterError(name, sorted(_SETTERS))
    _check_component(handle.state, name)
    handle.state = _SETTERS[name](handle.state, value)


def get_deep_ocr_param(handle: DeepOCR, name: str) -> Any:
    """The value of a parameter.

    Raises:
        UnknownParameterError: No such parameter, or one that can only be set.
        ModeError: It belongs to a component that the handle lacks.
    """
    if name not in _GETTERS:
        raise UnknownParameterError(name, sorted(_GETTERS))
    _check_component(handle.state, name)
    return _GETTERS[name](handle.state)


def _check_component(state: State, name: str) -> None:
    component = name.split("_")[0]
    if component in ("detection", "recognition") and getattr(state, component) is None:
        raise ModeError(
            f"{name}: this handle has no {component} component; "
            f'create it with mode="auto" or mode="{component}"'
        )


def _with_parameters(state: State, **values: Any) -> State:
    return replace(state, parameters=replace(state.parameters, **values))


Setter = Callable[[State, Any], State]

# Networks that must be made anew when a parameter changes.
_REBUILDS = {
    "detection_optimize_for_inference": ("detector",),
    "recognition_optimize_for_inference": ("recognizer",),
    "recognition_num_char_candidates": ("recognizer",),
}


def _plain_setter(name: str) -> Setter:
    def set_value(state: State, value: Any) -> State:
        parsed = PARSERS[name](name, value)
        return _rebuilt(_with_parameters(state, **{name: parsed}), _REBUILDS.get(name, ()))

    return set_value


def _set_device(*components: str) -> Setter:
    def set_value(state: State, value: Any) -> State:
        state = _with_parameters(state, **{f"{c}_device": value for c in components})
        parts = {"detection": ("detector",), "recognition": ("recognizer", "orientation")}
        return _rebuilt(state, [net for c in components for net in parts[c]])

    return set_value


def _set_detection_size(state: State, value: Any) -> State:
    width, height = sides("detection_image_size", value)
    return _with_parameters(state, detection_image_width=width, detection_image_height=height)


def _set_recognition_height(state: State, value: Any) -> State:
    if str(value) != str(LINE_HEIGHT):
        raise ParameterValueError(
            f"recognition_image_height: this recognizer takes {LINE_HEIGHT}, got {value!r}"
        )
    return state


def _set_recognition_size(state: State, value: Any) -> State:
    width, height = value.split(",") if isinstance(value, str) else value
    state = _set_recognition_height(state, height)
    return _SETTERS["recognition_image_width"](state, width)


def _set_detection_model(state: State, value: Any) -> State:
    _check_not_optimized(state, "detection")
    return _rebuilt(replace(state, detection=load_model(value, "ocr_detection")), ("detector",))


def _set_recognition_model(state: State, value: Any) -> State:
    _check_not_optimized(state, "recognition")
    return _with_recognizer(state, load_model(value, "ocr_recognition"))


def _with_recognizer(state: State, model: ModelCheckpoint) -> State:
    """Another recognizer; the alphabet becomes its own, since the old one need not fit."""
    state = _with_parameters(
        replace(state, recognition=model),
        recognition_alphabet=model.alphabet,
        recognition_alphabet_mapping=(),
    )
    return _rebuilt(state, ("recognizer",))


def _check_not_optimized(state: State, component: str) -> None:
    if getattr(state.parameters, f"{component}_optimize_for_inference"):
        raise ParameterValueError(
            f"the {component} component is optimized for inference; its architecture cannot change "
            f"any more. Set {component}_optimize_for_inference to False first"
        )


def _set_alphabet(state: State, value: Any) -> State:
    assert state.recognition is not None
    alphabet = resolve_alphabet(value, state.recognition.alphabet)
    changed = _with_parameters(
        state, recognition_alphabet=alphabet, recognition_alphabet_mapping=()
    )
    return _rebuilt(changed, ("recognizer",))


def _set_alphabet_internal(state: State, value: Any) -> State:
    assert state.recognition is not None
    _check_not_optimized(state, "recognition")
    characters = tuple(value)
    if characters and characters[0] == "":  # As `get` returns it, the blank first.
        characters = characters[1:]
    if (
        not characters
        or len(set(characters)) < len(characters)
        or any(len(c) != 1 for c in characters)
    ):
        raise ParameterValueError(
            "recognition_alphabet_internal: expected different single characters (the blank, '', "
            f"may stand first), got {value!r:.200}"
        )
    model, new = with_alphabet(state.recognition, characters)
    if new:
        warnings.warn(
            f"the recognizer has {len(new)} new characters ({''.join(new[:20])}) that it cannot "
            "read before it is trained",
            stacklevel=3,
        )
    return _with_recognizer(state, model)


def _set_mapping(state: State, value: Any) -> State:
    name = "recognition_alphabet_mapping"
    alphabet = state.parameters.recognition_alphabet
    parts = value.split(",") if isinstance(value, str) else value
    try:
        mapping = tuple(int(v) for v in parts)
    except (TypeError, ValueError):
        raise ParameterValueError(f"{name}: expected integers, got {value!r:.200}") from None
    if len(mapping) != len(alphabet):
        raise ParameterValueError(
            f"{name}: expected one entry a character of recognition_alphabet ({len(alphabet)}), "
            f"got {len(mapping)}"
        )
    if any(not 0 <= v <= len(alphabet) for v in mapping):
        raise ParameterValueError(
            f"{name}: expected 0 (never decoded) or a position 1 to {len(alphabet)} in "
            "recognition_alphabet"
        )
    if not any(mapping):
        raise ParameterValueError(f"{name}: all entries are 0, so nothing could be read")
    return _rebuilt(_with_parameters(state, **{name: mapping}), ("recognizer",))


def _get_mapping(state: State) -> list[int]:
    p = state.parameters
    return list(p.recognition_alphabet_mapping or range(1, len(p.recognition_alphabet) + 1))


def _model_of(state: State, component: str) -> DLModel:
    model = getattr(state, component)
    assert model is not None
    return DLModel(model)


_SETTERS: dict[str, Setter] = {
    **{name: _plain_setter(name) for name in PARSERS},
    "device": lambda s, v: _set_device(
        *(c for c in ("detection", "recognition") if getattr(s, c) is not None)
    )(s, v),
    "detection_device": _set_device("detection"),
    "recognition_device": _set_device("recognition"),
    "detection_model": _set_detection_model,
    "recognition_model": _set_recognition_model,
    "detection_image_size": _set_detection_size,
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


_GETTERS: dict[str, Getter] = {
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
    "detection_model": lambda s: _model_of(s, "detection"),
    "recognition_model": lambda s: _model_of(s, "recognition"),
    "detection_score_map_names": lambda s: ["text"],
    "detection_image_size": lambda s: [
        s.parameters.detection_image_width,
        s.parameters.detection_image_height,
    ],
    "detection_image_dimensions": lambda s: [*_GETTERS["detection_image_size"](s), 3],
    "recognition_image_height": lambda s: LINE_HEIGHT,
    "recognition_image_size": lambda s: [s.parameters.recognition_image_width, LINE_HEIGHT],
    "recognition_image_dimensions": lambda s: [*_GETTERS["recognition_image_size"](s), 3],
    "recognition_alphabet": lambda s: list(s.parameters.recognition_alphabet),
    "recognition_alphabet_internal": lambda s: ["", *s.recognition.alphabet],
    "recognition_alphabet_mapping": _get_mapping,
}


# --- apply --------------------------------------------------------------------------------------


def apply_deep_ocr(
    images: ImageSource | Sequence[ImageSource], handle: DeepOCR, mode: str = "auto"
) -> DeepOCRResult | list[DeepOCRResult]:
    """Finds and reads words.

    Args:
        images: One image or a sequence: arrays (uint8 [h, w] or [h, w, 3] RGB; other types where
            their meaning is plain), paths, or the bytes of image files.
        handle: With the components that the mode needs; may be used by many threads at once.
        mode: "auto": find and read; "detection": find; "recognition": each image is one tight
            word crop to read. A handle with one component takes "auto" for that component's mode.

    Returns:
        A result for one image, a list of results for a sequence. See `DeepOCRResult`.

    Raises:
        ModeError: The handle lacks a component that the mode needs.
        ImageError: The image cannot be used.
        ImageBatchError: Some of a sequence cannot; the others' results are in its `.results`.
    """
    _check_mode(mode)
    state = handle.state
    if mode == "auto" and state.recognition is None:
        mode = "detection"
    elif mode == "auto" and state.detection is None:
        mode = "recognition"
    _check_mode_components(state, mode)
    single = isinstance(images, (np.ndarray, str, bytes, os.PathLike)) or hasattr(
        images, "__array__"
    )
    sources = [images] if single else list(images)  # type: ignore[arg-type]
    arrays, errors = _load_images(sources, state.parameters.image_max_pixels)
    if single and errors:
        raise errors[0]
    results = _apply(arrays, state, mode)
    if errors:
        done = iter(results)
        raise ImageBatchError(
            [None if i in errors else next(done) for i in range(len(sources))], errors
        )
    return results[0] if single else results


def _check_mode_components(state: State, mode: str) -> None:
    needed = ("detection", "recognition") if mode == "auto" else (mode,)
    missing = [c for c in needed if getattr(state, c) is None]
    if missing:
        raise ModeError(
            f'mode "{mode}" needs the {missing[0]} component, which this handle lacks; '
            f'create the handle with mode="auto" or mode="{missing[0]}"'
        )


def _load_images(
    sources: Sequence[ImageSource], max_pixels: int
) -> tuple[list[np.ndarray], dict[int, ImageError]]:
    arrays, errors = [], {}
    for index, source in enumerate(sources):
        try:
            if isinstance(source, (str, bytes, os.PathLike)):
                arrays.append(read_image(source, max_pixels))
            else:
                arrays.append(as_rgb(source, max_pixels))
        except ImageError as error:
            errors[index] = error
    return arrays, errors


def _apply(images: list[np.ndarray], state: State, mode: str) -> list[DeepOCRResult]:
    settings = page_settings(state.parameters)
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="deepocr") as pool:
        if mode == "recognition":
            assert state.nets.recognizer is not None
            crops = read_word_images(images, state.nets.recognizer, settings.recognition, pool)
            return [_crop_result(crop) for crop in crops]
        nets = state.nets
        if mode == "detection":
            nets = replace(nets, recognizer=None)
        return [_page_result(p, mode == "auto") for p in read_pages(images, nets, settings, pool)]


def _crop_result(crop: CropReading) -> DeepOCRResult:
    reading = crop.reading
    return {
        "image": crop.image,
        "word": "".join(reading.text),
        "char_candidates": char_candidates(reading.candidates, reading.confidences),
        "confidence": min((c[0] for c in reading.confidences), default=0.0),
    }


def _page_result(page: Page, read: bool) -> DeepOCRResult:
    boxes = np.array([w.box for w in page.words], np.float64).reshape(-1, 5)
    detection = page.detection
    on_image = box_keys(scale_boxes(boxes, detection.row_factor, detection.col_factor))
    words: dict[str, Any] = {
        **box_keys(boxes),
        "line_index": np.array(page.line_index, np.int64),
    }
    if read:
        words["word"] = [w.text for w in page.words]
        words["char_candidates"] = [
            char_candidates(w.candidates, w.confidences) for w in page.words
        ]
        words["word_image"] = [w.image for w in page.words]
        words["confidence"] = np.array([w.confidence for w in page.words], np.float64)
    return {
        "image": detection.canvas,
        "score_maps": detection.scores[..., None],
        "words": words,  # type: ignore[typeddict-item]
        "word_boxes_on_image": on_image,  # type: ignore[typeddict-item]
        # The score map has the canvas' resolution.
        "word_boxes_on_score_maps": {k: v.copy() for k, v in on_image.items()},  # type: ignore
    }
