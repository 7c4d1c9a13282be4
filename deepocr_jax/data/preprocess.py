"""How samples become inputs of a model: the parameters, and what they do to images and labels."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import cv2
import numpy as np

from deepocr_jax.data.keys import BOX_KEYS_1, BOX_KEYS_2
from deepocr_jax.data.normalization import NORMALIZATION_TYPES, normalize_image
from deepocr_jax.data.word_checks import LINE_HEIGHT
from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.errors import DatasetError, ParameterValueError, UnknownParameterError
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.geometry.crops import resize_image
from deepocr_jax.image import as_rgb
from deepocr_jax.types import DLPreprocessParam, DLSample

MODEL_TYPES = (
    "ocr_recognition",
    "ocr_detection",
    "classification",
    "detection",
    "segmentation",
    "anomaly_detection",
)
# An array has no domain, so leaving it aside and taking all of it are the same.
DOMAIN_HANDLING = ("full_domain", "ignore_domain")
_MAX_SIDE = 2**16
_MASK_KEYS = ("segmentation_image", "weight_image", "anomaly_ground_truth")


def create_dl_preprocess_param(
    model_type: str,
    image_width: int,
    image_height: int,
    image_num_channels: int = 3,
    image_range_min: float = 0.0,
    image_range_max: float = 255.0,
    normalization_type: str = "none",
    domain_handling: str = "full_domain",
    augmentation: bool = False,
    mean_values_normalization: Sequence[float] | None = None,
    deviation_values_normalization: Sequence[float] | None = None,
) -> DLPreprocessParam:
    """The parameters of preprocessing, checked.

    Args:
        model_type: one of `MODEL_TYPES`.
        image_width: width of the model's images in pixels; for recognition the width of the
            longest words, beyond which they are squeezed.
        image_height: height of the model's images in pixels; for recognition 48.
        image_num_channels: 3, or 1 (gray; not for the OCR models).
        image_range_min: smallest value of the model's images.
        image_range_max: largest value of the model's images.
        normalization_type: one of "none", "first_channel", "all_channels", "constant_values";
            `normalization.normalize_image` says what each does.
        domain_handling: "full_domain" or "ignore_domain", which is the same for arrays.
        augmentation: whether the samples are to be augmented in training.
        mean_values_normalization: for "constant_values", one mean for each channel.
        deviation_values_normalization: for "constant_values", one deviation for each channel.

    Raises:
        ParameterValueError: a value is of the wrong type, out of range, or does not fit others.
    """
    param: dict[str, Any] = {
        "model_type": model_type,
        "image_width": image_width,
        "image_height": image_height,
        "image_num_channels": image_num_channels,
        "image_range_min": image_range_min,
        "image_range_max": image_range_max,
        "normalization_type": normalization_type,
        "domain_handling": domain_handling,
        "augmentation": augmentation,
    }
    if mean_values_normalization is not None:
        param["mean_values_normalization"] = [float(v) for v in mean_values_normalization]
    if deviation_values_normalization is not None:
        param["deviation_values_normalization"] = [float(v) for v in deviation_values_normalization]
    check_dl_preprocess_param(param)
    return cast(DLPreprocessParam, param)


def check_dl_preprocess_param(param: Mapping[str, Any]) -> None:
    """Checks parameters of preprocessing.

    Raises:
        UnknownParameterError: there is no parameter of a name; a close one is suggested.
        ParameterValueError: a parameter is missing, of the wrong type, out of range, or does not
            fit the others.
    """
    known = DLPreprocessParam.__annotations__
    for key in param:
        if key not in known:
            raise UnknownParameterError(key, known)
    for key in sorted(known):
        if key not in param and not key.endswith("_values_normalization"):
            raise ParameterValueError(
                f"Expected preprocess parameters with {key!r}; make them with "
                "create_dl_preprocess_param."
            )
    _check_choice(param, "model_type", MODEL_TYPES)
    _check_choice(param, "normalization_type", NORMALIZATION_TYPES)
    _check_choice(param, "domain_handling", DOMAIN_HANDLING)
    for key in ("image_width", "image_height"):
        _check(param, key, _is_whole(param[key]) and 1 <= param[key] <= _MAX_SIDE, "pixels")
    ocr = str(param["model_type"]).startswith("ocr_")
    channels = param["image_num_channels"]
    fits = _is_whole(channels) and channels in ((3,) if ocr else (1, 3))
    _check(param, "image_num_channels", fits, "3" if ocr else "1 or 3")
    if param["model_type"] == "ocr_recognition":
        fits = param["image_height"] == LINE_HEIGHT
        _check(param, "image_height", fits, f"{LINE_HEIGHT}, the height of recognition")
        _check(param, "image_width", param["image_width"] >= 8, "at least 8 pixels")
    _check(param, "augmentation", isinstance(param["augmentation"], bool), "True or False")
    low, high = param["image_range_min"], param["image_range_max"]
    for key in ("image_range_min", "image_range_max"):
        _check(param, key, _is_real(param[key]), "a finite number")
    _check(param, "image_range_max", low < high, f"more than image_range_min ({low})")
    _check_constants(param, channels)


def _check_constants(param: Mapping[str, Any], channels: int) -> None:
    """Raises where the constants of the normalization are missing, superfluous or unusable."""
    constant = param["normalization_type"] == "constant_values"
    for key in ("mean_values_normalization", "deviation_values_normalization"):
        values = param.get(key)
        if not constant:
            _check(param, key, values is None, 'none unless normalization_type="constant_values"')
            continue
        fits = isinstance(values, list | tuple) and len(values) == channels
        fits = fits and all(_is_real(v) for v in cast(Sequence[Any], values))
        _check(param, key, fits, f"{channels} finite numbers, one a channel")
        if key.startswith("deviation"):
            _check(param, key, min(cast(Sequence[float], values)) > 0, "numbers above 0")


def _check_choice(param: Mapping[str, Any], key: str, choices: Sequence[str]) -> None:
    value = param[key]
    close = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    _check(param, key, value in choices, " or ".join(map(repr, choices)) + hint)


def _check(param: Mapping[str, Any], key: str, fits: bool, expected: str) -> None:
    if not fits:
        raise ParameterValueError(
            f"Expected {expected} for the preprocess parameter {key!r}, got {param.get(key)!r}."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def preprocess_dl_samples(
    samples: Iterable[Mapping[str, Any]], param: DLPreprocessParam
) -> list[DLSample]:
    """Brings the images of samples to the size and range of a model, and their labels along.

    * "ocr_recognition": the image is scaled to 48 rows, keeping its aspect ratio, its width in
      [8, image_width]; it is not padded. Exactly the crop that inference reads.
    * "ocr_detection": scaled, keeping its aspect ratio, to the largest size inside image_height x
      image_width, then padded with black on the right and below.
    * others: scaled to image_height x image_width.

    Boxes are scaled with the image; label images are scaled without interpolation.

    Args:
        samples: samples with an `image`, which are not changed.
        param: the parameters.

    Returns:
        One new sample for each. The image is [h, w, image_num_channels], uint8 where
        normalization_type is "none" and the range is 0 to 255, else float32.

    Raises:
        ParameterError: the parameters cannot be used.
        DatasetError: a sample has no image, or boxes that are no numbers.
        ImageError: an image has no plain meaning as RGB.
    """
    check_dl_preprocess_param(param)
    return [_preprocess(sample, param) for sample in samples]


def _preprocess(sample: Mapping[str, Any], param: Mapping[str, Any]) -> DLSample:
    if "image" not in sample:
        raise DatasetError(
            f"Expected a sample with an image, got only {sorted(sample)}; make it with "
            "gen_dl_samples."
        )
    image = as_rgb(sample["image"])
    out = dict(sample)
    height, width = param["image_height"], param["image_width"]
    if param["model_type"] == "ocr_recognition":
        out["image"] = normalize_image(scale_crop(image, width), param)
        return cast(DLSample, out)
    scaled_h, scaled_w = height, width
    if param["model_type"] == "ocr_detection":
        factor = min(height / image.shape[0], width / image.shape[1])
        scaled_h = min(max(1, round(image.shape[0] * factor)), height)
        scaled_w = min(max(1, round(image.shape[1] * factor)), width)
    margin = ((0, height - scaled_h), (0, width - scaled_w))
    scaled: Any = np.pad(resize_image(image, scaled_h, scaled_w), (*margin, (0, 0)))
    if param["image_num_channels"] == 1:
        scaled = cv2.cvtColor(scaled, cv2.COLOR_RGB2GRAY)[:, :, None]
    out["image"] = normalize_image(scaled, param)
    for key in _MASK_KEYS:
        if key in sample:
            mask = _resize_mask(np.asarray(sample[key]), scaled_h, scaled_w)
            out[key] = np.pad(mask, margin)
    try:
        _scale_boxes(out, scaled_h / image.shape[0], scaled_w / image.shape[1])
    except (TypeError, ValueError, KeyError) as error:
        raise DatasetError(
            f"Expected equally long lists of numbers as boxes of sample "
            f"{sample.get('image_id')!r} ({error!r}); find_faults says more."
        ) from error
    return cast(DLSample, out)


def _resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A label image [h, w] scaled to [height, width], each pixel that of the nearest source."""
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.intp)
    cols = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.intp)
    return mask[rows[:, None], cols]


def _scale_boxes(sample: dict[str, Any], row_factor: float, col_factor: float) -> None:
    """Scales the boxes of a sample, in place; coordinates are pixel-centred."""
    if BOX_KEYS_2[0] in sample:
        single = np.ndim(sample[BOX_KEYS_2[0]]) == 0
        columns = [np.atleast_1d(np.asarray(sample[key], np.float64)) for key in BOX_KEYS_2]
        scaled = scale_boxes(np.stack(columns, axis=1), row_factor, col_factor)
        for key, column in zip(BOX_KEYS_2, scaled.T.tolist(), strict=True):
            sample[key] = column[0] if single else column
    if BOX_KEYS_1[0] in sample:
        for key in BOX_KEYS_1:
            factor = row_factor if "row" in key else col_factor
            values = np.asarray(sample[key], np.float64)
            sample[key] = ((values + 0.5) * factor - 0.5).tolist()
