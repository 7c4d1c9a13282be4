"""Images -> the axes along which their text reads, by a look at each, shown small."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.infer.buckets import STRIDE
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.detector import DetectionSettings, make_replicas
from deepocr_jax.infer.programs import Device
from deepocr_jax.infer.tiles import detection_batch_size, lay_out_scaled, run_tiles
from deepocr_jax.models.registry import make_model
from deepocr_jax.postprocess.axis_votes import oblique_axis, prevailing_axis
from deepocr_jax.preprocess import Preprocess, normalize

SCALE = 5 / 8
"""Sides of a look as shares of those of the detector's canvas.

At half of them, letters of the ICDAR 2015 pictures are too small to be told from other stripes.
"""
CANVAS_STEP = 128
"""Sides are multiples of this: a look costs one of few compiled shapes."""


@dataclass(frozen=True)
class LookNet:
    """The network of text axes, ready to run.

    Attributes:
        platform: Of its devices.
        replicas: One a device: canvases -> vectors, see `models.text_axes`.
    """

    platform: str
    replicas: tuple[Program, ...]


@dataclass(frozen=True)
class Look:
    """What a look at an image told.

    Attributes:
        axis: Angle in radians, in (-pi / 2, pi / 2], along which most of its text reads, from
            either end; None: none was seen.
        oblique: The same of the rest, where much text lies at an angle to that; else None.
    """

    axis: float | None
    oblique: float | None


def make_look_net(
    model: ModelCheckpoint, devices: tuple[Device, ...], dtype: str = "float32"
) -> LookNet:
    """Puts the network onto its devices."""
    return LookNet(devices[0].platform, make_replicas(_vectors, model, devices, dtype))


def _vectors(
    kind: str, spec: Any, dtype: str, preprocess: Preprocess, variables: Any, canvas: jax.Array
) -> jax.Array:
    network: Any = make_model(kind, spec, jnp.dtype(dtype))
    return network.apply(variables, normalize(canvas, preprocess))


def look_at(
    images: Sequence[np.ndarray],
    net: LookNet,
    settings: DetectionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Look]:
    """Looks at images ([h, w, 3] uint8 RGB), each by itself and as a whole."""
    run = pool.map if pool else map
    limit = look_limit(settings)

    def canvas(image: np.ndarray) -> np.ndarray:
        return lay_out_scaled(image, limit, CANVAS_STEP).canvas

    canvases = list(run(canvas, images))
    size = detection_batch_size(settings.batch_size, net.platform)
    return list(run(_look, run_tiles(canvases, net.replicas, size, pool)))


def look_limit(settings: DetectionSettings) -> tuple[int, int]:
    """Height and width that images are scaled to fit into for a look."""
    height, width = (
        max(1, round(SCALE * side / STRIDE)) * STRIDE for side in (settings.height, settings.width)
    )
    return height, width


def _look(vectors: np.ndarray) -> Look:
    axis = prevailing_axis(vectors)
    return Look(axis, None if axis is None else oblique_axis(vectors, axis))
