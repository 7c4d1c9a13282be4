"""Every known key of a data set and of its samples: type, methods, and what must agree.

The one table behind the readers, writers and checks. Other keys are allowed and left alone.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeGuard

import numpy as np

from deepocr_jax.types import Split

Method: TypeAlias = Literal[
    "classification",
    "rectangle1",
    "rectangle2",
    "segmentation",
    "anomaly",
    "ocr_detection",
    "ocr_recognition",
]
"""What a data set is labelled for."""

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
MAX_CLASS_ID = 65534
MAX_IMAGE_ID = 2**63 - 1
"""Largest id that a batch can carry, as int64."""

_MAX_PIXEL = 1e15

BOX_KEYS_1 = ("bbox_row1", "bbox_col1", "bbox_row2", "bbox_col2")
BOX_KEYS_2 = ("bbox_row", "bbox_col", "bbox_phi", "bbox_length1", "bbox_length2")

Kind: TypeAlias = Literal[
    "a string",
    "an integer",
    "a dictionary",
    "a list of strings",
    "a list of integers",
    "a list of numbers",
    "a list of dictionaries",
    "a number or a list of numbers",
]


@dataclass(frozen=True)
class Key:
    """A known key.

    Attributes:
        kind: the type of its value, in words.
        methods: the methods that it belongs to; none means all of them.
        required: the methods that cannot do without it.
        group: lists of one group ("classes", "boxes") are equally long.
        folder: key of the folder that its value, a file name, is relative to.
    """

    kind: Kind
    methods: tuple[Method, ...] = ()
    required: tuple[Method, ...] = ()
    group: Literal["classes", "boxes"] | None = None
    folder: str | None = None


_ALL: tuple[Method, ...] = (
    "classification", "rectangle1", "rectangle2", "segmentation", "anomaly", "ocr_detection",
    "ocr_recognition",
)  # fmt: skip
_CLASSED: tuple[Method, ...] = tuple(m for m in _ALL if m != "ocr_recognition")
_ROTATED: tuple[Method, ...] = ("rectangle2", "ocr_detection", "ocr_recognition")
_BOXED: tuple[Method, ...] = ("rectangle1", *_ROTATED)

DATASET_KEYS: dict[str, Key] = {
    "image_dir": Key("a string", required=_ALL),
    "dlsample_dir": Key("a string"),
    "anomaly_dir": Key("a string", ("anomaly",)),
    "segmentation_dir": Key("a string", ("segmentation",)),
    "class_names": Key("a list of strings", required=_CLASSED, group="classes"),
    "class_ids": Key("a list of integers", required=_CLASSED, group="classes"),
    "class_custom_data": Key("a list of dictionaries", group="classes"),
    "class_weights": Key("a list of numbers", ("segmentation",), group="classes"),
    "preprocess_param": Key("a dictionary"),
    "samples": Key("a list of dictionaries", required=_ALL),
}

SAMPLE_KEYS: dict[str, Key] = {
    "image_file_name": Key("a string", required=_ALL, folder="image_dir"),
    "image_id": Key("an integer", required=_ALL),
    "split": Key("a string"),
    "dlsample_file_name": Key("a string", folder="dlsample_dir"),
    "image_label_id": Key("a list of integers", ("classification",), ("classification",)),
    "anomaly_file_name": Key("a string", ("anomaly",), folder="anomaly_dir"),
    "anomaly_label": Key("a string", ("anomaly",), ("anomaly",)),
    "segmentation_file_name": Key(
        "a string", ("segmentation",), ("segmentation",), folder="segmentation_dir"
    ),
    "bbox_label_id": Key("a list of integers", _BOXED, ("rectangle1", "rectangle2"), group="boxes"),
    **{
        name: Key("a list of numbers", ("rectangle1",), ("rectangle1",), group="boxes")
        for name in BOX_KEYS_1
    },
    **{
        name: Key(
            "a number or a list of numbers",
            _ROTATED,
            ("rectangle2", "ocr_detection"),
            group="boxes",
        )
        for name in BOX_KEYS_2
    },
    "coco_raw_annotations": Key("a list of dictionaries", ("rectangle1",), group="boxes"),
    "label_custom_data": Key(
        "a list of dictionaries", ("ocr_detection", "ocr_recognition"), group="boxes"
    ),
    "word": Key("a string", ("ocr_recognition",)),
}

FOLDER_KEYS = ("image_dir", "dlsample_dir", "anomaly_dir", "segmentation_dir")


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a real number (NaN included); True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def as_real(value: float) -> float:
    """A number of a box as a float; infinite where it is beyond all images."""
    try:
        value = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf
    return math.copysign(math.inf, value) if abs(value) > _MAX_PIXEL else value


def is_list(value: Any) -> bool:
    """Whether a value is a list, a tuple or a one-dimensional array."""
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: is_list(value) and all(check(entry) for entry in value)


_CHECKS: dict[Kind, Callable[[Any], bool]] = {
    "a string": lambda value: isinstance(value, str),
    "an integer": is_integer,
    "a dictionary": lambda value: isinstance(value, Mapping),
    "a list of strings": _list_of(lambda value: isinstance(value, str)),
    "a list of integers": _list_of(is_integer),
    "a list of numbers": _list_of(is_number),
    "a list of dictionaries": _list_of(lambda value: isinstance(value, Mapping)),
    "a number or a list of numbers": lambda v: is_number(v) or _list_of(is_number)(v),
}


def has_kind(value: Any, kind: Kind) -> bool:
    """Whether a value is of the type that the table names."""
    return _CHECKS[kind](value)


def usable(entry: Mapping[str, Any], table: Mapping[str, Key], name: str) -> Any:
    """The value of a known key where it is of its type, else None."""
    value = entry.get(name)
    return value if value is not None and has_kind(value, table[name].kind) else None


def samples_of(dataset: Any) -> Sequence[Any]:
    """The samples of a data set, or none where it has no list of them."""
    samples = dataset.get("samples") if isinstance(dataset, Mapping) else None
    return samples if isinstance(samples, list | tuple) else ()


def method_of(dataset: Mapping[str, Any]) -> Method | None:
    """The method that a data set is labelled for, by the keys of its samples; None: no labels.

    Whole images with texts (form A) count as "ocr_recognition", as do word crops (form B).
    """
    present: set[Any] = set()
    for sample in samples_of(dataset):
        if isinstance(sample, Mapping):
            present |= sample.keys()
    marks: tuple[tuple[str, Method], ...] = (
        ("word", "ocr_recognition"),
        ("label_custom_data", "ocr_recognition"),
        ("bbox_row", "rectangle2"),
        ("bbox_row1", "rectangle1"),
        ("segmentation_file_name", "segmentation"),
        ("anomaly_label", "anomaly"),
        ("image_label_id", "classification"),
    )
    return next((method for mark, method in marks if mark in present), None)
