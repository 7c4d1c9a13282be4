"""Turned images are found as they lie upright: after a search that told so, and after a look."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from bars import (
    BARS,
    GROUND,
    PAGE,
    SETTINGS,
    Dark,
    Eyes,
    angles_apart,
    looks_of,
    net_of,
    page_of,
    places,
    turned_by,
)

from deepocr_jax.infer.detector import search
from deepocr_jax.infer.straightening import detect


@dataclass(frozen=True)
class Way:
    """One of the two ways; how often an image is searched that lies turned, or has no text."""

    look: bool
    turned: int
    bare: int

    def find(self, images, seen, pool=None, **changes):
        settings = replace(SETTINGS, look=self.look, **changes)
        return detect(images, net_of(seen), settings, pool, looks=looks_of(Eyes()))


@pytest.fixture(params=[Way(False, 2, 2), Way(True, 1, 1)], ids=["searched", "looked at"])
def way(request):
    return request.param


@pytest.mark.parametrize(
    ("degrees", "axis"), [(79, 90), (-98, 90), (100, 90), (70, 70), (-24, -24)]
)
def test_text_about_a_quarter_turned_is_searched_turned_by_a_quarter(way, degrees, axis):
    image, _ = turned_by(page_of(), degrees)
    (found,) = way.find([image], Dark())
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), axis) < 1
    assert len(found.boxes) == len(BARS)
    assert all(angles_apart(np.rad2deg(phi), degrees) < 3 for phi in found.boxes[:, 2])


@pytest.mark.parametrize("as_words", [False, True])
@pytest.mark.parametrize("degrees", [-60, -20, 25, 60, 90, 130])
def test_turned_text_is_found_where_it_lies(way, degrees, as_words):
    image, matrix = turned_by(page_of(), degrees)
    seen = Dark(as_words)
    (found,) = way.find([image], seen)
    assert len(seen.canvases) == way.turned
    assert len(found.boxes) == len(BARS)
    for place, (_, _, width, _) in zip(places(BARS, matrix), BARS, strict=True):
        box = found.boxes[np.argmin(np.abs(found.boxes[:, :2] - place).sum(axis=1))]
        np.testing.assert_allclose(box[:2], place, atol=2)
        assert angles_apart(np.rad2deg(box[2]), degrees) < 2
        assert box[3] > width / 2 - 4
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), degrees) < 2
    # On the last canvas the bars lay along the rows.
    rows = np.unique(np.argwhere(seen.canvases[-1][..., 0] < 100)[:, 0])
    assert (np.diff(rows) > 1).sum() == len(BARS) - 1


@pytest.mark.parametrize("as_words", [False, True])
def test_maps_and_canvas_are_those_of_the_image_as_it_lies(way, as_words):
    image, _ = turned_by(page_of(), 60)
    net = net_of(Dark(as_words))
    (found,), (plain,) = way.find([image], Dark(as_words)), search([image], net, SETTINGS)
    np.testing.assert_array_equal(found.canvas, plain.canvas)
    assert found.score_maps.shape == plain.score_maps.shape
    assert (found.row_factor, found.col_factor) == (plain.row_factor, plain.col_factor)
    text, expected = found.score_maps[..., 0] > 0.5, plain.score_maps[..., 0] > 0.5
    assert (text & expected).sum() / (text | expected).sum() > 0.8
    if as_words:
        sure = found.score_maps[..., 0] > 0.99
        axis = found.axis
        np.testing.assert_allclose(found.score_maps[sure][:, 2], np.sin(axis), atol=1e-3)
        np.testing.assert_allclose(found.score_maps[sure][:, 3], np.cos(axis), atol=1e-3)


@pytest.mark.parametrize("degrees", [-12, 0, 12])
def test_text_about_upright_is_searched_once(way, degrees):
    image, _ = turned_by(page_of(), degrees)
    seen = Dark()
    (found,) = way.find([image], seen)
    assert len(seen.canvases) == 1 and found.axis is None and len(found.boxes) == len(BARS)


def test_images_of_a_batch_do_not_matter_to_each_other(way):
    images = [turned_by(page_of(), degrees)[0] for degrees in (0, 60, 5, 90)]
    images.append(np.full((50, 60, 3), GROUND, np.uint8))
    seen = Dark()
    with ThreadPoolExecutor(2) as pool:
        together = way.find(images, seen, pool)
    assert len(seen.canvases) == 2 + 2 * way.turned + way.bare
    for image, found in zip(images, together, strict=True):
        (alone,) = way.find([image], Dark())
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.score_maps, alone.score_maps)
    assert way.find([], seen) == []


def test_tiles_of_a_turned_image(way):
    bars = [(30, 30 + 60 * k, 420, 14) for k in range(6)]
    image, matrix = turned_by(page_of(bars, (420, 500)), 50)
    (found,) = way.find([image], Dark(), tiling=True)
    assert found.canvas.shape == image.shape and found.score_maps.shape[:2] == image.shape[:2]
    assert len(found.boxes) == len(bars)
    for place in places(bars, matrix):
        assert np.abs(found.boxes[:, :2] - place).sum(axis=1).min() < 3


@pytest.mark.parametrize("as_words", [False, True])
@pytest.mark.parametrize("degrees", [40, -55])
def test_text_at_an_angle_to_the_rest_is_searched_as_it_would_lie_upright(way, degrees, as_words):
    slanting, matrix = turned_by(page_of(BARS[:2]), degrees)
    upright = page_of(size=(len(slanting), PAGE[1]))
    image, seen = np.hstack([upright, slanting]), Dark(as_words)
    (found,) = way.find([image], seen)
    assert len(seen.canvases) == 2
    assert len(found.boxes) == len(found.box_scores) == len(BARS) + 2
    there = places(BARS[:2], matrix) + [0, PAGE[1]]
    here = places(BARS, np.eye(3)[:2])
    for points, angle in ((here, 0), (there, degrees)):
        for point in points:
            box = found.boxes[np.argmin(np.abs(found.boxes[:, :2] - point).sum(axis=1))]
            np.testing.assert_allclose(box[:2], point, atol=2)
            assert angles_apart(np.rad2deg(box[2]), angle) < 2
    (plain,) = search([image], net_of(Dark(as_words)), SETTINGS)
    text, expected = found.score_maps[..., 0] > 0.5, plain.score_maps[..., 0] > 0.5
    assert text[expected].all() and text.sum() < 1.3 * expected.sum()
