"""A look at pages learns along which axes they read."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from toy_pages import ToyPages, dense_page, page_of, stack

from deepocr_jax.checkpoint import flat_items, read_checkpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.registry import TEXT_AXES_KIND
from deepocr_jax.models.score_maps import SHARED_PARTS
from deepocr_jax.models.text_axes import STRIDE
from deepocr_jax.recipes.detector_training import DetectorTrainingConfig, train_detector
from deepocr_jax.train.loop import train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, make_page_task
from deepocr_jax.train.pages import PageSource
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.text_axes import (
    Looks,
    TextAxesOptions,
    axes_loss,
    begin_text_axes,
    take_looks,
    text_axes_learner,
)
from deepocr_jax.train.turning import TurningOptions

SIDE = 192
STILL = TurningOptions(upright_share=1.0, lean_deg=0.0, least_scale=1.0, most_scale=1.0)
ANY = TurningOptions(upright_share=0.0, quarter_share=0.0, least_scale=0.9, most_scale=1.5)


def still(looks_per_page=1):
    return TextAxesOptions(STILL, looks_per_page)


def give(assets, key, step):
    """The pages of the assets, whatever the key."""
    return ToyPages(*(assets[name] for name in ToyPages._fields))


@pytest.mark.parametrize("degrees", [0, 30, 75, 90, 150])
def test_vectors_point_to_twice_the_angle_of_the_text(degrees):
    pages = stack(dense_page(1, side=SIDE, size=16, degrees=degrees))
    looks = take_looks(jax.random.key(0), pages, still())
    assert looks.images.shape == (1, SIDE // 2, SIDE // 2, 3) and looks.images.dtype == np.uint8
    side = SIDE // 2 // STRIDE
    assert looks.vectors.shape == (1, side, side, 2) and looks.mask.shape == (1, side, side)
    x, y = np.asarray(looks.vectors).reshape(-1, 2).T
    length = np.hypot(x, y)
    assert length.max() > 0.9 and length.max() <= 1 + 1e-5
    off = np.angle(np.exp(1j * (np.arctan2(y, x) - np.deg2rad(2 * degrees))))[length > 0.2]
    assert len(off) > 30 and np.abs(off).max() < np.deg2rad(2)


def stripes(image):
    """The angle of an image's stripes, in degrees, by its gradients."""
    gray = image.astype(np.float64).mean(axis=-1)
    dy, dx = np.gradient(gray)
    across = np.angle(np.sum((dx - 1j * dy) ** 2)) / 2
    return np.rad2deg(across) + 90


@pytest.mark.slow
def test_looks_turn_vectors_along_with_the_picture():
    """Told by long bars in the picture itself."""
    page = dense_page(2, side=SIDE, size=16, leading=2.5)
    image = np.full_like(page.images, 235)
    for quad in page.quads.astype(int):
        image[quad[0, 1] + 4 : quad[2, 1] - 4, 8:-8] = 30
    pages = stack(page._replace(images=image))
    options = TextAxesOptions(ANY, looks_per_page=6)
    looks = take_looks(jax.random.key(3), pages, options)
    assert len(looks.images) == 6
    angles = []
    for picture, vectors in zip(np.asarray(looks.images), np.asarray(looks.vectors), strict=True):
        middle = picture[24:72, 24:72]
        found = stripes(middle)
        told = np.rad2deg(np.angle(vectors[..., 0].sum() + 1j * vectors[..., 1].sum())) / 2
        assert abs((found - told + 90) % 180 - 90) < 8
        angles.append(told)
    assert np.ptp(angles) > 30


def test_what_is_not_visible_is_not_learned():
    quads = [[[x, 40], [x + 20, 40], [x + 20, 70], [x, 70]] for x in (20, 40, 60, 120, 140)]
    shown = [True, True, True, False, False]
    pages = stack(page_of(quads, [0, 0, 0, 1, 1], SIDE, shown))
    looks = take_looks(jax.random.key(0), pages, still())
    rows, half = slice(5, 9), SIDE // 2 // STRIDE // 2
    text = np.hypot(*np.moveaxis(np.asarray(looks.vectors[0]), -1, 0))
    assert text[rows, 2:10].max() > 0.8 and text[:, half + 1 :].max() == 0
    assert looks.mask[0, 6, 15:19].max() == 0 and looks.mask[0, :, : half - 1].min() == 1


def looks_of(vectors, mask=None):
    shape = vectors.shape[:-1]
    mask = np.ones(shape, np.float32) if mask is None else mask
    return Looks(np.zeros((len(vectors), 8, 8, 3), np.uint8), vectors, mask)


def test_the_loss_is_the_share_that_was_not_found():
    vectors = np.zeros((3, 10, 10, 2), np.float32)
    vectors[:2, 2:5, :, 0] = 1.0
    looks = looks_of(vectors)
    nothing, perfect = np.zeros_like(vectors), vectors
    np.testing.assert_allclose(axes_loss(nothing, looks, 0.3), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(axes_loss(perfect, looks, 0.3), 0, atol=1e-6)
    across = vectors * np.array([-1.0, 1.0])
    np.testing.assert_allclose(axes_loss(across, looks, 0.3)[:2], 4, rtol=1e-6)
    # Where there is no text, a false one costs less than one that is missed.
    false = perfect.copy()
    false[:, 6:9, :, 1] = 1.0
    np.testing.assert_allclose(axes_loss(false, looks, 0.3)[:2], 0.3, rtol=1e-6)
    mask = np.ones((3, 10, 10), np.float32)
    mask[:, 6:9] = 0
    np.testing.assert_allclose(axes_loss(false, looks_of(vectors, mask), 0.3), 0, atol=1e-6)


def test_the_beginning_has_the_detectors_backbone_and_neck(shallow_detector):
    begun = begin_text_axes(shallow_detector)
    assert begun.kind == TEXT_AXES_KIND and begun.sha256 == ""
    assert set(begun.variables["params"]) == {*SHARED_PARTS, "TextAxesHead_0"}
    for part in SHARED_PARTS:
        expected = dict(flat_items(shallow_detector.variables["params"][part]))
        for path, value in flat_items(begun.variables["params"][part]):
            np.testing.assert_array_equal(value, expected[path])


@pytest.mark.slow
def test_the_network_learns_along_which_axes_pages_read(calm_detector, tmp_path):
    pages = stack(*(dense_page(k, side=128, size=18, leading=1.8) for k in (3, 4)))
    source = PageSource(give, pages._asdict(), 2, "toy")
    options = TextAxesOptions(replace(STILL, upright_share=0.5, quarter_share=0.5))
    learner = text_axes_learner(begin_text_axes(calm_detector), options)
    task = make_page_task(learner, source, EpochOptions(60))
    assert task.evaluate is None
    optimizer = OptimizerOptions("adamw", 5e-3, gradient_clip=1.0, warmup_steps=5)
    outcome = train(task, RunOptions(1, optimizer, serialize=("final",)), tmp_path)
    losses = [loss for _, loss in outcome.history.losses]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    final = read_checkpoint(tmp_path / "final")
    assert final.kind == TEXT_AXES_KIND and final.source.endswith("text axes")


def test_what_cannot_learn_it_is_refused(shallow_detector, tmp_path):
    learner = text_axes_learner(begin_text_axes(shallow_detector), TextAxesOptions())
    with pytest.raises(ParameterValueError, match="source"):
        learner.make_losses(None)
    config = DetectorTrainingConfig(
        model="ppocrv6_small_recognition", learns="axes", pages_per_step=1, enable_display=False
    )
    with pytest.raises(ParameterValueError, match="expected a detector"):
        train_detector(config, tmp_path)
