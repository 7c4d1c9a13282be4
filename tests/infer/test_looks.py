"""A look at each image tells along which axes it reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from deepocr_jax.infer.detector import DetectionSettings
from deepocr_jax.infer.looks import LookNet, look_at, look_limit, make_look_net
from deepocr_jax.infer.programs import resolve_devices
from deepocr_jax.models.text_axes import STRIDE
from deepocr_jax.train.text_axes import begin_text_axes

SETTINGS = DetectionSettings()
SIDE = 640
SMALL = DetectionSettings(256, 256)


class Slanting:
    """Sees text wherever an image is not gray, which reads along 3 degrees a gray level."""

    def __init__(self):
        self.batches = []

    def __call__(self, batch):
        self.batches.append(batch)
        levels = batch[:, ::STRIDE, ::STRIDE, 0].astype(np.float32)
        angles = np.deg2rad(2 * 3 * levels)
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return np.where((levels == 127)[..., None], 0, vectors)


def plain(level, size=(30, 60)):
    return np.full((*size, 3), level, np.uint8)


def test_images_of_any_size_are_seen_on_few_canvases():
    seen = Slanting()
    net = LookNet("cpu", (seen,))  # type: ignore[arg-type]
    images = [plain(10), plain(20, (900, 100)), plain(5, (1, 1)), plain(30, (400, 500))]
    looks = look_at(images, net, SETTINGS)
    assert [round(np.rad2deg(x.axis)) for x in looks] == [30, 60, 15, 90]
    assert all(x.oblique is None for x in looks)
    sides = [x.shape[1:3] for x in seen.batches]
    assert sides == [(384, SIDE), (SIDE, 128), (SIDE, SIDE), (512, SIDE)]
    # What an image does not fill is gray.
    assert (seen.batches[0][0, SIDE // 2 :] == 127).all()


@pytest.mark.parametrize(
    ("side", "least", "limit"),
    [(1024, 1024, (640, 640)), (512, 1024, (640, 320)), (32, 64, (32, 32))],
)
def test_a_look_is_smaller_than_what_is_searched(side, least, limit):
    assert look_limit(DetectionSettings(height=least, width=side)) == limit


def test_text_of_two_directions_and_of_none():
    both = np.concatenate([plain(0), plain(15, (30, 50))], axis=1)
    net = LookNet("cpu", (Slanting(),))  # type: ignore[arg-type]
    mixed, none = look_at([both, plain(127)], net, SETTINGS)
    assert np.rad2deg(mixed.axis) == pytest.approx(0, abs=1)
    assert np.rad2deg(mixed.oblique) == pytest.approx(45, abs=1)
    assert none.axis is None and none.oblique is None


@pytest.mark.parametrize("size", [1, 4])
def test_batches_are_filled_up_and_shared_among_devices(size):
    first, second = Slanting(), Slanting()
    net = LookNet("cpu", (first, second))  # type: ignore[arg-type]
    images = [plain(level) for level in range(1, 10)]
    with ThreadPoolExecutor(2) as pool:
        looks = look_at(images, net, replace(SMALL, batch_size=size), pool)
    assert [round(np.rad2deg(x.axis)) for x in looks] == [3 * k for k in range(1, 10)]
    shapes = {x.shape for x in first.batches + second.batches}
    assert shapes == {(size, 128, 160, 3)}
    assert first.batches and second.batches
    assert look_at([], net, SMALL) == []


def test_the_network_of_a_beginning_sees_nothing(calm_detector):
    net = make_look_net(begin_text_axes(calm_detector), resolve_devices("cpu"))
    (vectors,) = net.replicas[0](np.zeros((1, 128, 160, 3), np.uint8))
    assert vectors.shape == (128 // STRIDE, 160 // STRIDE, 2) and vectors.dtype == np.float32
    assert np.abs(vectors).max() < 0.1
    (look,) = look_at([plain(200)], net, SMALL)
    assert look.axis is None
