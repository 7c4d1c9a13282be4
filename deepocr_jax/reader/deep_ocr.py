"""The operators: create, read, write, set, get, apply. A thin shell around `infer`."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from deepocr_jax.dl.model import ORIENTATION_MODEL, load_model
from deepocr_jax.errors import ImageBatchError, ImageFormatError, UnknownParameterError
from deepocr_jax.infer.compiled import keep_programs
from deepocr_jax.infer.warmup import warm_up
from deepocr_jax.parameters import Parameters
from deepocr_jax.reader.handle import DeepOCR, check_mode, make_handle, page_settings
from deepocr_jax.reader.handle_parameters import GETTERS, SETTERS, check_component
from deepocr_jax.reader.streaming import ImageSource, read_stream
from deepocr_jax.types import DeepOCRResult
from deepocr_jax.weights.model_cache import model_cache_dir
from deepocr_jax.weights.pretrained import load_pretrained

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
    check_mode(mode)
    keep_programs(model_cache_dir() / "programs")
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
            their meaning is plain), paths, the bytes of image files, or pages of `read_pages`.
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
    single = isinstance(images, (np.ndarray, str, bytes, os.PathLike)) or hasattr(
        images, "__array__"
    )
    sources: list[Any] = [images] if single else list(_iterate(images))
    outcomes = list(read_stream(sources, handle, mode))
    errors = {x.index: x.error for x in outcomes if x.error is not None}
    if single:
        if errors:
            raise errors[0]
        return cast(DeepOCRResult, outcomes[0].result)
    results = [x.result for x in outcomes]
    if errors:
        raise ImageBatchError(results, errors)
    return cast(list[DeepOCRResult], results)


def _iterate(images: Any) -> Iterator[Any]:
    try:
        return iter(images)
    except TypeError:
        raise ImageFormatError(
            "expected an image (array, path or bytes) or a sequence of images, "
            f"got {type(images).__name__}"
        ) from None
