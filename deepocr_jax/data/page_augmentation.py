"""Random changes of whole pages with their boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

import cv2
import numpy as np

from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.data.classes import IGNORE
from deepocr_jax.data.page_crops import BOX_KEYS, GRAY, PageCropOptions, tone
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.image import as_rgb
from deepocr_jax.types import DLSample

# Changes that a word crop can bear and a page has not.
CROPS_ONLY = ("remove_pixel", "perspective", "blur", "noise", "compression")


def page_options(
    changes: AugmentOptions, side: int = 512, page_side: int = 1024
) -> PageCropOptions:
    """The random changes of pages; `stretch` is that of their scale.

    Args:
        changes: Ranges.
        side: Of a part, in pixels.
        page_side: The longer side that a page is scaled to.

    Raises:
        ParameterValueError: A change that is for word crops alone.
    """
    for name in CROPS_ONLY:
        if getattr(changes, name):
            known = [f.name for f in fields(AugmentOptions) if f.name not in CROPS_ONLY]
            raise ParameterValueError(
                f"augment: {name} is for word crops; pages take {', '.join(known)}"
            )
    return PageCropOptions(
        side=side,
        page_side=page_side,
        scale_variation=changes.stretch,
        rotate_range=changes.rotate_range,
        brightness_variation=changes.brightness_variation,
        contrast_variation=changes.contrast_variation,
        saturation_variation=changes.saturation_variation,
        augmentation_percentage=changes.augmentation_percentage,
    )


def augment_pages(
    samples: Sequence[Mapping[str, Any]], changes: AugmentOptions, seed: int
) -> list[DLSample]:
    """Changes a share of pages at random: turned and scaled about their middle, and toned.

    Args:
        samples: With `image` and rotated boxes. They are not changed.
        changes: Ranges, as `page_options` takes them.
        seed: Decides on everything random, with a sample's position.

    Returns:
        New samples; images have the sizes that they had. Boxes whose centre has left the image are
        gone; those that are cut by its border are of class `ignore`.

    Raises:
        ParameterValueError: A change that is for word crops alone.
        DatasetError: A sample without image or boxes.
    """
    options = page_options(changes)
    return [_augmented(i, s, options, seed) for i, s in enumerate(samples)]


def _augmented(
    number: int, sample: Mapping[str, Any], options: PageCropOptions, seed: int
) -> DLSample:
    keys = ("image", *(f"bbox_{key}" for key in BOX_KEYS))
    if not set(keys) <= set(sample):
        raise DatasetError(
            f"Expected sample {number} with the keys {', '.join(keys)}, got {sorted(sample)}; make "
            "it with gen_dl_samples of a detection dataset."
        )
    random = np.random.default_rng([seed, number])
    if 100 * random.uniform() >= options.augmentation_percentage:
        return cast(DLSample, {**sample, "image": np.array(sample["image"])})
    image = as_rgb(np.asarray(sample["image"]))
    height, width = image.shape[:2]
    scale = (1 + options.scale_variation) ** random.uniform(-1, 1)
    angle = np.deg2rad(random.uniform(-options.rotate_range, options.rotate_range))
    matrix = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), float(np.rad2deg(angle)), float(scale)
    )
    turned = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=GRAY
    )
    boxes = np.stack([np.asarray(sample[f"bbox_{k}"], float) for k in BOX_KEYS], axis=1)
    boxes = _moved(boxes, matrix, angle, scale)
    return _labelled(sample, tone(random, turned, options), boxes)


def _moved(boxes: np.ndarray, matrix: np.ndarray, angle: float, scale: float) -> np.ndarray:
    """Boxes [n, 5] under a rotation and scaling of the image."""
    centres = boxes[:, 1::-1] @ matrix[:, :2].T + matrix[:, 2]
    phi = normalize_phi(boxes[:, 2] + angle)
    return np.column_stack([centres[:, ::-1], phi, scale * boxes[:, 3:]])


def _labelled(sample: Mapping[str, Any], image: np.ndarray, boxes: np.ndarray) -> DLSample:
    """The sample with another image and the boxes that are on it."""
    limits = np.array(image.shape[:2]) - 0.5
    quads = boxes_to_quads(boxes)
    whole = np.all((quads >= -0.5) & (quads <= limits), axis=(1, 2))
    inside = np.flatnonzero(((boxes[:, :2] >= -0.5) & (boxes[:, :2] <= limits)).all(axis=1))
    changed = {**sample, "image": image}
    changed |= {f"bbox_{k}": boxes[inside, i].tolist() for i, k in enumerate(BOX_KEYS)}
    labels = sample.get("bbox_label_id", [0] * len(boxes))
    changed["bbox_label_id"] = [int(labels[i]) if whole[i] else IGNORE for i in inside]
    if "label_custom_data" in sample:
        changed["label_custom_data"] = [sample["label_custom_data"][i] for i in inside]
    return cast(DLSample, changed)
