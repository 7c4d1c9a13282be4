"""Procedures on samples that need a DL model or the networks' augmentation."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from deepocr_jax.augment.crops import CANVASES, augment_crops, check_seed
from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.data.keys import BOX_KEYS_1, BOX_KEYS_2, as_real, is_number
from deepocr_jax.data.page_augmentation import augment_pages
from deepocr_jax.data.preprocess import create_dl_preprocess_param
from deepocr_jax.data.word_checks import (
    FRAME_STEP,
    LINE_HEIGHT,
    MIN_WIDTH,
    frames_of,
    scaled_width,
    word_problems,
)
from deepocr_jax.data.word_crops import box_crop_size
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.model_parameters import get_dl_model_param
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.types import DLPreprocessParam, DLSample, ImageArray

# A word turned further leaves its crop.
MAX_ROTATION_DEG = 5.0
# Labels that would have to move with the image.
_PLACES = (*BOX_KEYS_1, *BOX_KEYS_2, "segmentation_image", "weight_image", "anomaly_ground_truth")


def create_dl_preprocess_param_from_model(
    model: DLModel,
    normalization_type: str = "none",
    domain_handling: str = "full_domain",
    augmentation: bool = False,
    mean_values_normalization: Sequence[float] | None = None,
    deviation_values_normalization: Sequence[float] | None = None,
) -> DLPreprocessParam:
    """The parameters of preprocessing that suit a model: its type, its images' size and range.

    Args:
        model: Of type "ocr_recognition" or "ocr_detection".
        normalization_type: As for `create_dl_preprocess_param`; the models of this library
            normalize by themselves, so "none" is right for them.
        domain_handling: As there, like all that follows.
        augmentation: Whether the samples are to be augmented in training.
        mean_values_normalization: For "constant_values".
        deviation_values_normalization: For "constant_values".

    Raises:
        ParameterValueError: A value is of the wrong type, or out of range, or the model is of
            another type.
    """
    return create_dl_preprocess_param(
        get_dl_model_param(model, "type"),
        get_dl_model_param(model, "image_width"),
        get_dl_model_param(model, "image_height"),
        get_dl_model_param(model, "image_num_channels"),
        get_dl_model_param(model, "image_range_min"),
        get_dl_model_param(model, "image_range_max"),
        normalization_type,
        domain_handling,
        augmentation,
        mean_values_normalization,
        deviation_values_normalization,
    )


def find_invalid_samples_dl_ocr_recognition(
    samples: Sequence[Mapping[str, Any]], model: DLModel
) -> tuple[list[int], list[str]]:
    """Finds samples that a recognition model cannot learn from or be judged by.

    These have no word or an empty one, characters that are not in the model's alphabet, or more
    characters than their crop has frames: one frame for 8 of its columns at a height of 48 pixels,
    of at most `image_width` columns.

    Args:
        samples: Of a recognition dataset (`dataset["samples"]`), or DLSamples. The size of a crop
            is that of the sample's image or else of its box; where there is neither, only words
            that are too long for the model's largest crop are found.
        model: Of type "ocr_recognition".

    Returns:
        The indices of the samples, ascending, and for each the reason.

    Raises:
        ParameterValueError: A model of another type, or samples that are no sequence.
    """
    if get_dl_model_param(model, "type") != "ocr_recognition":
        raise ParameterValueError(
            f'expected a model of type "ocr_recognition", got {get_dl_model_param(model, "type")!r}'
        )
    if isinstance(samples, Mapping):
        raise ParameterValueError(
            'expected a sequence of samples, got one dictionary; pass dataset["samples"]'
        )
    alphabet, width = frozenset(model.checkpoint.alphabet), model.training.image_width
    indices, reasons = [], []
    for index, sample in enumerate(samples):
        reason = _invalid_reason(sample, alphabet, width)
        if reason:
            indices.append(index)
            reasons.append(reason)
    return indices, reasons


def _invalid_reason(sample: Any, alphabet: frozenset[str], image_width: int) -> str:
    """Why a sample is of no use; empty where it is."""
    word = sample.get("word") if isinstance(sample, Mapping) else None
    if not isinstance(word, str):
        return (
            f"Expected a sample with a word, got {type(word).__name__} in its place; read the "
            "dataset with read_dl_dataset_ocr_recognition."
        )
    size = _crop_size(sample)
    frames = image_width // FRAME_STEP
    if size is not None:
        if min(size) < 1:
            return f"Expected a crop with pixels, got one of {size[0]} rows, {size[1]} columns."
        frames = frames_of(scaled_width(*size, image_width), image_width)
    return " ".join(reason for _, reason in word_problems(word, alphabet, frames))


def _crop_size(sample: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) of a sample's crop, where it is known."""
    shape = np.shape(sample["image"]) if "image" in sample else ()
    if len(shape) in (2, 3):
        return cast(tuple[int, int], shape[:2])
    lengths = [sample.get(key) for key in ("bbox_length1", "bbox_length2")]
    numbers = [as_real(v) for v in lengths if is_number(v)]
    if len(numbers) == 2 and np.isfinite(numbers).all():
        return box_crop_size(*numbers)
    return None


def augment_dl_samples(
    samples: Sequence[Mapping[str, Any]],
    augmentation_percentage: float = 50.0,
    brightness_variation: float = 0.0,
    rotate_range: float = 0.0,
    remove_pixel: float = 0.0,
    contrast_variation: float = 0.0,
    saturation_variation: float = 0.0,
    stretch: float = 0.0,
    perspective: float = 0.0,
    blur: float = 0.0,
    noise: float = 0.0,
    compression: float = 0.0,
    seed: int = 42,
) -> list[DLSample]:
    """Changes a share of samples at random, as training does; 0 switches a change off.

    Args:
        samples: Preprocessed recognition samples: `image` uint8 [48, w, 3]; or pages with rotated
            boxes, which move with their images. They are not changed.
        augmentation_percentage: Share of the samples that are changed, 0 to 100.
        brightness_variation: Largest change of the brightness, as a share of the full range.
        rotate_range: Largest rotation in degrees, 0 to 5; of a page 0 to 180.
        remove_pixel: Most pixels that are cut off at each edge, or added by repeating the edge.
        contrast_variation: Largest factor by which the contrast changes, less one.
        saturation_variation: Largest change of the saturation, 0 to 1.
        stretch: Largest change of the width of the text inside the image, as a share; of a page of
            its scale.
        perspective: Largest displacement of a corner, as a share of the height.
        blur: Largest standard deviation of a Gaussian blur, in pixels.
        noise: Largest standard deviation of Gaussian noise, in gray values.
        compression: Strength of the block artefacts of JPEG, 0 to 1.
        seed: Number that decides on everything random; a sample's change depends on it and on the
            sample's position alone.

    Returns:
        New samples; images have the sizes that they had. Boxes of a page whose centre has left it
        are gone; those that are cut by its border are of class `ignore`.

    Raises:
        ParameterValueError: A value is out of its range, or a change is none that pages take (these
            are brightness, contrast, saturation, rotation and stretch).
        DatasetError: A sample is neither a preprocessed recognition sample nor a page with boxes,
            or there are both.
    """
    options = AugmentOptions(
        augmentation_percentage=augmentation_percentage,
        brightness_variation=brightness_variation,
        contrast_variation=contrast_variation,
        saturation_variation=saturation_variation,
        rotate_range=rotate_range,
        remove_pixel=remove_pixel,
        stretch=stretch,
        perspective=perspective,
        blur=blur,
        noise=noise,
        compression=compression,
    )
    if samples and all(BOX_KEYS_2[0] in sample and "word" not in sample for sample in samples):
        return augment_pages(samples, options, check_seed(seed))
    if rotate_range > MAX_ROTATION_DEG:
        raise ParameterValueError(
            f"rotate_range: expected 0 to {MAX_ROTATION_DEG:g} degrees for word crops, got "
            f"{rotate_range!r}; a word turned further leaves its crop"
        )
    crops = [_word_image(index, sample) for index, sample in enumerate(samples)]
    changed = augment_crops(crops, options, seed)
    pairs = zip(samples, changed, strict=True)
    return [cast(DLSample, {**sample, "image": image}) for sample, image in pairs]


def _word_image(index: int, sample: Mapping[str, Any]) -> ImageArray:
    """The image of a preprocessed recognition sample."""
    places = [key for key in _PLACES if key in sample]
    if places:
        raise DatasetError(
            f"Expected recognition samples, but sample {index} has {places[0]!r}, which would have "
            "to move with its image; pages with rotated boxes are augmented apart from crops."
        )
    image = sample.get("image")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
        got = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else "none"
    elif image.shape[::2] == (LINE_HEIGHT, 3) and MIN_WIDTH <= image.shape[1] <= CANVASES[-1]:
        return image
    else:
        got = f"uint8 {list(image.shape)}"
    raise DatasetError(
        f"Expected the image of sample {index} to be uint8 [{LINE_HEIGHT}, {MIN_WIDTH} to "
        f"{CANVASES[-1]}, 3], got {got}; preprocess it with preprocess_dl_samples."
    )
