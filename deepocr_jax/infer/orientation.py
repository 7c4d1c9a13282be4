"""Which way up: the 0/180 degree classifier over line crops."""

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.programs import Device, with_fast_products
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.preprocess import Preprocess, normalize

HEIGHT, WIDTH = 48, 192
# Crops computed together.
GROUP, ACCELERATOR_GROUP = 8, 64


@dataclass(frozen=True)
class OrientationNet:
    """The classifier, ready to run: crops and their widths -> probability of upside down."""

    program: Program


def make_orientation_net(
    model: ModelCheckpoint, device: Device, dtype: str = "float32"
) -> OrientationNet:
    """Puts the classifier onto a device."""
    spec = spec_from_dict(model.kind, model.spec)
    turned = functools.partial(_turned, spec, dtype, model.preprocess)
    identity = repr(["orientation", spec, dtype, model.preprocess])
    variables = with_fast_products(model.variables, device.platform)
    return OrientationNet(Program(turned, variables, device, identity))


def _turned(
    spec: Any,
    dtype: str,
    preprocess: Preprocess,
    variables: Any,
    crops: jax.Array,
    widths: jax.Array,
) -> jax.Array:
    network: Any = make_model("ocr_orientation", spec, jnp.dtype(dtype))
    inside = jnp.arange(WIDTH) < widths[:, None]
    x = jnp.where(inside[:, None, :, None], normalize(crops, preprocess), 0.0)
    return jax.nn.softmax(network.apply(variables, x).astype(jnp.float32))[:, 1]


def turned_probability(crops: list[np.ndarray], net: OrientationNet) -> np.ndarray:
    """Probability that each line crop ([h, w, 3] uint8 RGB) is upside down: [n]."""
    group = GROUP if net.program.device.platform == "cpu" else ACCELERATOR_GROUP
    batch = np.zeros((len(crops) + -len(crops) % group, HEIGHT, WIDTH, 3), np.uint8)
    widths = np.zeros(len(batch), np.int32)
    for slot, crop in enumerate(crops):
        h, w = crop.shape[:2]
        widths[slot] = min(WIDTH, max(1, round(HEIGHT * w / h)))
        size = (int(widths[slot]), HEIGHT)
        batch[slot, :, : widths[slot]] = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    parts = [
        np.asarray(net.program(batch[i : i + group], widths[i : i + group]))
        for i in range(0, len(batch), group)
    ]
    return np.concatenate([*parts, np.zeros(0, np.float32)])[: len(crops)]
