"""A detector of regions learns from itself to see turned text."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_pages import ToyPages, dense_page, stack

from deepocr_jax.checkpoint import flat_items, read_checkpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.recipes.detector_training import DetectorTrainingConfig, train_detector
from deepocr_jax.train.loop import train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, make_page_task
from deepocr_jax.train.pages import ASSETS, PageSource
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.score_map_task import begin_score_maps
from deepocr_jax.train.turning import (
    TEACHER,
    TurningOptions,
    draw_turn,
    turn_pages,
    turning_learner,
    turning_source,
)

SIDE = 96
STILL = TurningOptions(upright_share=1.0, lean_deg=0.0, least_scale=1.0, most_scale=1.0)


def give(assets, key, step):
    """The pages of the assets, whatever the key."""
    return ToyPages(*(assets[name] for name in ToyPages._fields))


def source_of(*pages):
    return PageSource(give, stack(*pages)._asdict(), len(pages), "toy")


def smooth_image(seed):
    rng = np.random.default_rng(seed)
    coarse = jnp.asarray(rng.random((6, 6, 3)), jnp.float32)
    return np.asarray(jax.image.resize(coarse, (SIDE, SIDE, 3), "linear") * 255).astype(np.uint8)


def test_pages_and_maps_turn_together():
    images = np.stack([smooth_image(k) for k in range(4)])
    maps = images[..., 1].astype(np.float32) / 255
    turned, wanted = jax.jit(lambda k: turn_pages(k, images, maps, TurningOptions()))(
        jax.random.key(2)
    )
    turned, wanted = np.asarray(turned), np.asarray(wanted)
    assert turned.dtype == np.uint8 and turned.shape == images.shape
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in zip(turned, images, strict=True))
    # Beyond the page the maps are 0 and the image has one gray.
    inside = wanted > 0
    assert 0.4 < inside.mean() < 1
    # All but the page's border, which fades into what lies beyond.
    off = np.abs(turned[..., 1] / 255 - wanted)[inside]
    assert np.mean(off < 0.005) > 0.95
    beyond = turned[wanted == 0]
    assert np.all(beyond.max(axis=-1) - beyond.min(axis=-1) <= 1)


def test_nothing_changes_where_nothing_is_turned():
    image = smooth_image(1)[None]
    maps = image[..., 0].astype(np.float32) / 255
    turned, wanted = turn_pages(jax.random.key(0), image, maps, STILL)
    np.testing.assert_array_equal(turned, image)
    np.testing.assert_allclose(wanted, maps, atol=1e-5)


def test_pages_are_turned_by_all_angles_as_often_as_asked_for():
    options = TurningOptions(upright_share=0.3, quarter_share=0.4, lean_deg=1.0)
    keys = jax.random.split(jax.random.key(0), 2000)
    linear = jax.vmap(lambda key: draw_turn(key, (64, 96), options).homography[:2, :2])(keys)
    angle = np.rad2deg(np.arctan2(linear[:, 0, 1], linear[:, 0, 0]))
    scale = 1 / np.sqrt(np.linalg.det(linear))
    assert 0.59 < scale.min() < 0.62 and 1.08 < scale.max() < 1.11
    near = [np.mean(np.abs(np.angle(np.exp(1j * np.deg2rad(angle - a)))) < 0.07)
            for a in (0, 90, 180, 270)]  # fmt: skip
    free = 0.3 * 0.14 / (2 * np.pi)
    np.testing.assert_allclose(near, np.array([0.3, *[0.4 / 3] * 3]) + free, atol=0.035)
    assert np.histogram(angle, 12, (-180, 180))[0].min() > 0.3 * 2000 / 12 * 0.5


@pytest.mark.slow
def test_the_detector_learns_to_find_what_its_teacher_finds_upright(calm_detector, tmp_path):
    source = source_of(*(dense_page(k, side=SIDE, size=18, leading=1.6) for k in (3, 4)))
    learner = turning_learner(calm_detector, TurningOptions())
    task = make_page_task(
        learner, turning_source(source, calm_detector), EpochOptions(60, validation_calls=0)
    )
    assert set(task.constants[ASSETS]) == {TEACHER, *ToyPages._fields}
    optimizer = OptimizerOptions("adamw", 2e-3, gradient_clip=1.0, warmup_steps=5)
    outcome = train(task, RunOptions(1, optimizer, serialize=("final",)), tmp_path)
    losses = [loss for _, loss in outcome.history.losses]
    assert np.mean(losses[-15:]) < 0.7 * np.mean(losses[:3])
    final = read_checkpoint(tmp_path / "final")
    assert final.kind == "ocr_detection" and final.source.endswith("turned pages")
    paths = {p for p, _ in flat_items(calm_detector.variables)}
    assert {p for p, _ in flat_items(final.variables)} == paths


def test_what_cannot_learn_it_is_refused(shallow_detector, tmp_path):
    words = begin_score_maps(shallow_detector)
    with pytest.raises(ParameterValueError, match="ocr_detection_score_maps"):
        turning_learner(words, TurningOptions())
    learner = turning_learner(shallow_detector, TurningOptions())
    with pytest.raises(ParameterValueError, match="turning_source"):
        learner.make_losses(None)
    with pytest.raises(ParameterValueError, match='"words", "turning" or "axes", got \'flying\''):
        train_detector(DetectorTrainingConfig(learns="flying"), tmp_path)
