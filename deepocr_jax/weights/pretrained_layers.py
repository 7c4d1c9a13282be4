"""The layers of the published graphs, in the order in which the graphs compute them.

A layer is (path in the parameter tree, its leaves in the graph's order); a leaf is (collection,
name, conversion from the graph's array).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deepocr_jax.models.registry import DETECTORS, ORIENTATIONS, RECOGNIZERS

Leaf = tuple[str, str, Callable[[np.ndarray], np.ndarray]]
Layer = tuple[tuple[str, ...], tuple[Leaf, ...]]

BIAS: Leaf = ("params", "bias", np.ravel)
OIHW_TO_HWIO: Leaf = ("params", "kernel", lambda a: a.transpose(2, 3, 1, 0))
OI_TO_IO: Leaf = ("params", "kernel", lambda a: a.reshape(a.shape[:2]).T)
CHW_TO_HWC: Leaf = ("params", "kernel", lambda a: a[:, 0].transpose(1, 2, 0))
IO: Leaf = ("params", "kernel", np.asarray)
# A transposed 2x2 convolution [in, out, 2, 2] as a product: columns run over (row, column, out).
TRANSPOSED: Leaf = (
    "params",
    "kernel",
    lambda a: a.transpose(0, 2, 3, 1).reshape(a.shape[0], -1),
)
NORM: tuple[Leaf, ...] = (
    ("params", "scale", np.ravel),
    BIAS,
    ("batch_stats", "mean", np.ravel),
    ("batch_stats", "var", np.ravel),
)
SCALE_BIAS: tuple[Leaf, ...] = (("params", "scale", np.ravel), BIAS)


def _conv(*path: str, bias: bool = True) -> Layer:
    return (*path, "Conv_0"), (OIHW_TO_HWIO, BIAS) if bias else (OIHW_TO_HWIO,)


def _pointwise(*path: str, bias: bool = True) -> Layer:
    return (*path, "Dense_0"), (OI_TO_IO, BIAS) if bias else (OI_TO_IO,)


def _depthwise(*path: str, bias: bool = True) -> Layer:
    return path, (CHW_TO_HWC, BIAS) if bias else (CHW_TO_HWC,)


def _batch_norm(*path: str) -> Layer:
    return (*path, "BatchNorm_0"), NORM


def _gate(*path: str) -> list[Layer]:
    return [_pointwise(*path, "Pointwise_0"), _pointwise(*path, "Pointwise_1")]


def _lcnet_layers(spec: Any, *path: str) -> Iterator[Layer]:
    for i in range(4):
        yield _conv(*path, "Stem_0", f"Conv_{i}")
    yield _pointwise(*path, "Stem_0", "Pointwise_0")
    for index, block in enumerate(b for stage in spec.stages for b in stage):
        here = (*path, f"Block_{index}")
        yield _depthwise(*here, "Depthwise_0")
        if block.squeeze:
            yield from _gate(*here, "SqueezeExcite_0")
        yield _pointwise(*here, "Pointwise_0")
        yield _pointwise(*here, "Pointwise_1")


def _detector_layers(architecture: str) -> Iterator[Layer]:
    spec = DETECTORS[architecture]
    yield from _lcnet_layers(spec.backbone, "LCNet_0")
    neck, levels = "RepLKFPN_0", len(spec.backbone.stages)
    for i in range(levels):
        yield _pointwise(neck, f"Pointwise_{i}", bias=False)
        yield from _gate(neck, f"SqueezeExcite_{i}")
    for i in range(levels):
        yield _depthwise(neck, f"Depthwise_{i}")
        yield _pointwise(neck, f"Pointwise_{levels + i}", bias=False)
        yield from _gate(neck, f"SqueezeExcite_{levels + i}")
    head = "DBHead_0"
    yield _conv(head, "Conv_0")
    yield (head, "Pointwise_0", "Dense_0"), (TRANSPOSED,)
    yield (head,), (("params", "up_bias", np.ravel),)
    yield (head, "Pointwise_1", "Dense_0"), (TRANSPOSED,)
    yield (head,), (("params", "out_bias", np.ravel),)


def _recognizer_layers(architecture: str) -> Iterator[Layer]:
    spec = RECOGNIZERS[architecture]
    yield from _lcnet_layers(spec.backbone, "body", "LCNet_0")
    neck = ("body", "AttentionNeck_0")
    for i in (0, 1):
        yield _pointwise(*neck, f"PointwiseNormSwish_{i}", "Pointwise_0", bias=False)
        yield _batch_norm(*neck, f"PointwiseNormSwish_{i}", "BatchNorm_0")
    yield _depthwise(*neck, "Depthwise_0", bias=False)
    yield _batch_norm(*neck, "BatchNorm_0")
    dense = (IO, BIAS)
    for i in range(spec.neck_depth):
        block = (*neck, f"AttentionBlock_{i}")
        yield (*block, "LayerNorm_0"), SCALE_BIAS
        yield (*block, "Attention_0", "Dense_0"), dense
        yield (*block, "Attention_0", "Dense_1"), dense
        yield (*block, "LayerNorm_1"), SCALE_BIAS
        yield (*block, "Dense_0"), dense
        yield (*block, "Dense_1"), dense
    yield (*neck, "LayerNorm_0"), SCALE_BIAS
    yield ("head",), dense


def _orientation_layers(architecture: str) -> Iterator[Layer]:
    spec = ORIENTATIONS[architecture]
    yield _conv("Conv_0", bias=False)
    yield _batch_norm("BatchNorm_0")
    for index, block in enumerate(spec.blocks):
        here = f"InvertedResidual_{index}"
        yield _pointwise(here, "Pointwise_0", bias=False)
        yield _batch_norm(here, "BatchNorm_0")
        yield _depthwise(here, "Depthwise_0", bias=False)
        yield _batch_norm(here, "BatchNorm_1")
        if block.squeeze:
            yield from _gate(here, "SqueezeExcite_0")
        yield _pointwise(here, "Pointwise_1", bias=False)
        yield _batch_norm(here, "BatchNorm_2")
    yield _pointwise("Pointwise_0", bias=False)
    yield _batch_norm("BatchNorm_1")
    yield ("Dense_0",), (IO, BIAS)


LAYER_ORDER: dict[str, Callable[[str], Iterator[Layer]]] = {
    "ocr_detection": _detector_layers,
    "ocr_recognition": _recognizer_layers,
    "ocr_orientation": _orientation_layers,
}
