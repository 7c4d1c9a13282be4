"""The axes of a page, by the votes of its places."""

from __future__ import annotations

import numpy as np
import pytest

from deepocr_jax.postprocess.axis_votes import oblique_axis, prevailing_axis


def field(*parts):
    """Vectors of (degrees, sureness, how many)."""
    degrees, sureness, counts = (np.array(x, np.float64) for x in zip(*parts, strict=True))
    angles = np.deg2rad(2 * degrees)
    vectors = sureness[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.repeat(vectors, counts.astype(int), axis=0).astype(np.float32)


def apart(a, b):
    """Degrees between lines."""
    return abs((a - b + 90) % 180 - 90)


@pytest.mark.parametrize("axis", [0, 14, 30, 89, -89, 90, 135, -45])
def test_the_axis_is_that_of_most_of_the_text(axis):
    lines = [(axis + shift, 0.9, 30) for shift in (-4, 0, 0, 3)] + [(axis + 180, 0.9, 30)]
    others = [(axis + 90, 0.9, 60), (axis + 55, 0.9, 50)]
    found = np.rad2deg(prevailing_axis(field(*lines, *others)))
    assert apart(found, axis) < 2
    assert -90 < found <= 90


def test_few_sure_places_outvote_many_doubtful_ones():
    sure, doubtful = (70, 1.0, 20), (0, 0.5, 100)
    assert apart(np.rad2deg(prevailing_axis(field(sure, doubtful))), 70) < 1
    assert apart(np.rad2deg(prevailing_axis(field(sure, (0, 0.5, 200)))), 0) < 1


def test_maps_of_any_shape_will_do():
    vectors = field((25, 0.8, 60))
    assert prevailing_axis(vectors.reshape(6, 10, 2)) == pytest.approx(np.deg2rad(25), abs=1e-6)


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((0, 2), np.float32),
        np.zeros((8, 8, 2), np.float32),
        field((30, 0.2, 400)),  # too faint to be text
        field(*((a, 0.9, 10) for a in range(0, 180, 1))),  # all directions
    ],
)
def test_without_clear_directions_there_is_no_axis(vectors):
    assert prevailing_axis(vectors) is None


@pytest.mark.parametrize("vectors", [np.zeros((8, 8, 2), np.float32), field((30, 0.2, 400))])
def test_where_there_is_no_text_none_is_oblique(vectors):
    assert oblique_axis(vectors, 0.0) is None


@pytest.mark.parametrize(("axis", "degrees"), [(0, 40), (0, -50), (90, 40), (-35, 10)])
def test_text_at_an_angle_to_the_rest_has_an_axis_of_its_own(axis, degrees):
    rest = [(axis, 0.9, 30), (axis + 90, 0.9, 30), (axis + 20, 0.9, 30)]
    oblique = [(degrees - 3, 0.9, 30), (degrees + 183, 0.9, 30)]
    found = oblique_axis(field(*rest, *oblique), np.deg2rad(axis))
    assert apart(np.rad2deg(found), degrees) < 1
    # A third of the text is too little.
    assert oblique_axis(field(*rest, (axis, 0.9, 30), *oblique), np.deg2rad(axis)) is None
    assert oblique_axis(field(*rest), np.deg2rad(axis)) is None
