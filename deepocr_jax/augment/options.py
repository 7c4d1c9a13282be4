"""What augmentation may do to images: ranges of the random changes."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepocr_jax.errors import ParameterValueError, UnknownParameterError

# Largest value of each option; the smallest is 0.
LIMITS = {
    "augmentation_percentage": 100.0,
    "brightness_variation": 1.0,
    "contrast_variation": 1.0,
    "saturation_variation": 1.0,
    "rotate_range": 180.0,
    "remove_pixel": 12.0,
    "stretch": 0.5,
    "perspective": 0.3,
    "blur": 3.0,
    "noise": 64.0,
    "compression": 1.0,
}


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges of the random changes; 0 switches one off.

    Attributes:
        augmentation_percentage: Share of the samples that are changed, in percent.
        brightness_variation: Largest change of the brightness, as a share of the full range.
        contrast_variation: Largest factor by which the contrast changes, less one.
        saturation_variation: Largest change of the saturation, in [0, 1].
        rotate_range: Largest rotation in degrees.
        remove_pixel: Most pixels that are cut off at each edge, or added by repeating the edge.
        stretch: Largest change of the width of the text inside the image, as a share.
        perspective: Largest displacement of a corner, as a share of the height.
        blur: Largest standard deviation of a Gaussian blur, in pixels.
        noise: Largest standard deviation of Gaussian noise, in gray values.
        compression: Strength of the block artefacts of JPEG, in [0, 1].
    """

    augmentation_percentage: float = 50.0
    brightness_variation: float = 0.0
    contrast_variation: float = 0.0
    saturation_variation: float = 0.0
    rotate_range: float = 0.0
    remove_pixel: float = 0.0
    stretch: float = 0.0
    perspective: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    compression: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 <= value <= limit:
                raise ParameterValueError(f"{name}: expected 0 to {limit:g}, got {value!r}")


def parse_augmentation(options: Mapping[str, Any]) -> AugmentOptions:
    """The options of a dictionary, such as `augment_dl_samples` takes.

    Raises:
        UnknownParameterError: An unknown name.
        ParameterValueError: A value out of its range.
    """
    for name in options:
        if name not in LIMITS:
            raise UnknownParameterError(str(name), LIMITS)
    return AugmentOptions(**options)


def is_active(options: AugmentOptions) -> bool:
    """Whether anything would be changed."""
    values = dataclasses.asdict(options)
    return values.pop("augmentation_percentage") > 0 and any(values.values())
