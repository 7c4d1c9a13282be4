"""Corners that move, and the picture between them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.augment.warp import source_corners, warp

HEIGHT, WIDTH, CANVAS, COUNT = 12, 20, 24, 200
warped = jax.jit(warp)


def corners_of(top, left, bottom, right):
    corners = [[[top, left], [top, right]], [[bottom, left], [bottom, right]]]
    return np.array(corners, np.float32)


WHOLE = corners_of(0, 0, HEIGHT - 1, WIDTH - 1)


def picture(height=HEIGHT, width=CANVAS):
    shape = height, width, 3
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def drawn_corners(**ranges):
    """[COUNT, 2, 2, 2] corners of many keys."""
    options = AugmentOptions(100.0, **ranges)
    draw = jax.jit(jax.vmap(lambda key: source_corners(key, HEIGHT, jnp.int32(WIDTH), options)))
    return np.asarray(draw(jax.random.split(jax.random.key(0), COUNT)), np.float64)


# --- the picture --------------------------------------------------------------------------------


def test_corners_in_their_places_are_the_identity():
    image = picture()
    same = warped(image, WHOLE, WIDTH)
    np.testing.assert_allclose(same[:, :WIDTH], image[:, :WIDTH], atol=1e-3)


def test_half_a_turn():
    image = picture()
    turned = warped(image, WHOLE[::-1, ::-1], WIDTH)
    expected = image[::-1, :WIDTH][:, ::-1]
    np.testing.assert_allclose(turned[:, :WIDTH], expected, atol=1e-3)


def test_a_quarter_turn_of_a_square():
    image = picture(HEIGHT, HEIGHT)
    square = corners_of(0, 0, HEIGHT - 1, HEIGHT - 1)
    turned = warped(image, square.swapaxes(0, 1)[:, ::-1], HEIGHT)
    np.testing.assert_allclose(turned, np.rot90(image, -1), atol=1e-3)


def test_a_cut_is_spread_over_the_whole():
    down, across = np.meshgrid(np.arange(HEIGHT), np.arange(CANVAS), indexing="ij")
    ramp = np.stack([down, across, down], axis=-1).astype(np.float32)
    cut = np.asarray(warped(ramp, corners_of(1, 2, HEIGHT - 2.5, WIDTH - 4.5), WIDTH))
    np.testing.assert_allclose(cut[:, 0, 0], np.linspace(1, HEIGHT - 2.5, HEIGHT), atol=1e-4)
    np.testing.assert_allclose(cut[0, :WIDTH, 1], np.linspace(2, WIDTH - 4.5, WIDTH), atol=1e-4)


def test_the_border_is_repeated_outside():
    image = picture()
    larger = np.asarray(warped(image, corners_of(-3, -3, HEIGHT + 2, WIDTH + 2), WIDTH))
    corners = larger[0, 0], larger[-1, 0], larger[0, WIDTH - 1], larger[-1, WIDTH - 1]
    last = HEIGHT - 1, WIDTH - 1
    expected = image[0, 0], image[last[0], 0], image[0, last[1]], image[last]
    np.testing.assert_allclose(corners, expected, atol=1e-3)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_the_narrowest_pictures_stay_finite(width):
    options = AugmentOptions(100.0, rotate_range=180.0, remove_pixel=12.0, perspective=0.3)
    corners = source_corners(jax.random.key(1), HEIGHT, jnp.int32(width), options)
    image = picture()
    image[:, width:] = np.nan  # The padding must not come in.
    assert np.isfinite(warped(image, corners, width)).all()


# --- the corners --------------------------------------------------------------------------------


def test_nothing_moves_without_ranges():
    np.testing.assert_allclose(drawn_corners(), np.broadcast_to(WHOLE, (COUNT, 2, 2, 2)))


def test_rotation_keeps_centre_and_shape_within_its_range():
    corners = drawn_corners(rotate_range=30.0)
    np.testing.assert_allclose(
        corners.mean(axis=(1, 2)), [[(HEIGHT - 1) / 2, (WIDTH - 1) / 2]] * COUNT, atol=1e-4
    )
    reading = corners[:, 0, 1] - corners[:, 0, 0]
    downward = corners[:, 1, 0] - corners[:, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(reading, axis=1), WIDTH - 1, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(downward, axis=1), HEIGHT - 1, rtol=1e-4)
    np.testing.assert_allclose((reading * downward).sum(axis=1), 0, atol=1e-2)
    angle = np.rad2deg(np.arctan2(reading[:, 0], reading[:, 1]))
    assert np.abs(angle).max() <= 30 + 1e-3 and angle.min() < -15 and angle.max() > 15


def test_removed_pixels_are_within_their_range_on_each_edge():
    cut = drawn_corners(remove_pixel=3.0) - WHOLE
    assert np.abs(cut).max() <= 3 + 1e-4
    edges = cut[:, 0, 0, 0], cut[:, 1, 0, 0], cut[:, 0, 0, 1], cut[:, 0, 1, 1]
    for edge in edges:
        assert edge.min() < -1.5 and edge.max() > 1.5
    assert np.abs(np.corrcoef(edges) - np.eye(4)).max() < 0.4
    # The picture stays upright.
    assert np.ptp(cut[:, 0, :, 0], axis=1).max() == np.ptp(cut[:, :, 0, 1], axis=1).max() == 0


def test_stretch_changes_the_width_only():
    corners = drawn_corners(stretch=0.4)
    np.testing.assert_allclose(corners[..., 0], np.broadcast_to(WHOLE[..., 0], (COUNT, 2, 2)))
    width = corners[:, 0, 1, 1] - corners[:, 0, 0, 1]
    factor = width / (WIDTH - 1)
    assert factor.min() >= 1 / 1.4 - 1e-4 and factor.max() <= 1.4 + 1e-4
    assert factor.min() < 0.85 and factor.max() > 1.2


def test_perspective_moves_each_corner_by_itself_within_its_range():
    moved = (drawn_corners(perspective=0.1) - WHOLE).reshape(COUNT, 8)
    assert np.abs(moved).max() <= 0.1 * HEIGHT + 1e-4
    assert (moved.min(axis=0) < -0.05 * HEIGHT).all() and (moved.max(axis=0) > 0.05 * HEIGHT).all()
    assert np.abs(np.corrcoef(moved.T) - np.eye(8)).max() < 0.4
