"""The operators: create, read, write, set, get, apply. A thin shell around `infer`."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from deepocr_jax.dl_model import box_keys, char_candidates, load_model, word_keys
from deepocr_jax.errors import (
    ImageBatchError,
    ImageError,
    ImageFormatError,
    ModeError,
    ParameterValueError,
    UnknownParameterError,
)
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.handle import DeepOCR, State, make_handle, page_settings
from deepocr_jax.handle_parameters import GETTERS, SETTERS, check_component
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.infer.pipeline import (
    CropReading,
    Page,
    read_pages,
    read_word_images,
)
from deepocr_jax.infer.programs import enable_compilation_cache
from deepocr_jax.infer.warmup import warm_up
from deepocr_jax.parameters import Parameters
from deepocr_jax.pretrained import load_pretrained, model_cache_dir
from deepocr_jax.types import DeepOCRResult

MODES = ("auto", "detection", "recognition")
ORIENTATION_MODEL = "ppocr_mobile_v2_orientation"
ImageSource = np.ndarray | str | os.PathLike[str] | bytes


# --- create ------------------------------------------------------------------------


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
    handle = make_handle(Parameters(), detection, recognition, orientation)
    for name, value in params.items():
        set_deep_ocr_param(handle, name, value)
    return handle


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ParameterValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")


def set_deep_ocr_param(handle: DeepOCR, name: str, value: Any) -> None:
    """Sets a parameter; the handle stays as it was if the value is refused.

    Raises:
        UnknownParameterError: No such parameter, or one that can only be read.
        ParameterValueError: The value is of the wrong type or out of range.
        ModeError: It belongs to a component that the handle lacks.
    """
    if name not in SETTERS:
        raise UnknownParameterError(name, sorted(SETTERS))
    check_component(handle.state, name)
    handle.state = SETTERS[name](handle.state, value)


def get_deep_ocr_param(handle: DeepOCR, name: str) -> Any:
    """The value of a parameter.

    Raises:
        UnknownParameterError: No such parameter, or one that can only be set.
        ModeError: It belongs to a component that the handle lacks.
    """
    if name not in GETTERS:
        raise UnknownParameterError(name, sorted(GETTERS))
    check_component(handle.state, name)
    return GETTERS[name](handle.state)


def warm_up_deep_ocr(handle: DeepOCR) -> int:
    """Compiles every program that the handle can need, so that nothing compiles afterwards.

    The programs are kept in the compilation cache, from which later processes load them. Changing
    the device, an image size, a model, or the size of the alphabet asks for other programs.

    Returns:
        The number of programs.
    """
    state = handle.state
    return warm_up(state.nets, page_settings(state.parameters))


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
    sources: list[Any] = [images] if single else list(_iterate(images))
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


def _iterate(images: Any) -> Iterator[Any]:
    try:
        return iter(images)
    except TypeError:
        raise ImageFormatError(
            "expected an image (array, path or bytes) or a sequence of images, "
            f"got {type(images).__name__}"
        ) from None


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
    return {"image": crop.image, **word_keys(crop.reading)}  # type: ignore[typeddict-item]


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
