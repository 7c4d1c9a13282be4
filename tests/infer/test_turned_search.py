"""Images are looked at before they are searched, and searched as their text lies upright."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from bars import (
    BARS,
    GROUND,
    PAGE,
    Dark,
    angles_apart,
    net_of,
    page_of,
    places,
    turned_by,
)

from deepocr_jax.infer.detector import DetectionSettings, search
from deepocr_jax.infer.looks import LookNet
from deepocr_jax.infer.straightening import detect
from deepocr_jax.models.text_axes import STRIDE as LOOK_STRIDE

SETTINGS = DetectionSettings(height=256, width=256, look=True)


class Eyes:
    """Takes what is dark for text along its longer side, and counts the canvases it was shown."""

    def __init__(self):
        self.canvases = []

    def __call__(self, batch):
        self.canvases += list(batch)
        return np.stack([self.vectors(canvas) for canvas in batch])

    @staticmethod
    def vectors(canvas):
        dark = (canvas[..., 0] < 100).astype(np.uint8)
        count, parts = cv2.connectedComponents(dark)
        angles = np.zeros(count)
        for part in range(1, count):
            points = np.argwhere(parts == part)[:, ::-1].astype(np.float32)
            (x, y), *_ = cv2.fitLine(points, cv2.DIST_L2, 0, 0.01, 0.01).reshape(2, 2)
            angles[part] = np.arctan2(-y, x)
        there = parts[::LOOK_STRIDE, ::LOOK_STRIDE]
        doubled = 2 * angles[there]
        return (there > 0)[..., None] * np.stack([np.cos(doubled), np.sin(doubled)], axis=-1)


def looks_of(eyes):
    return LookNet("cpu", (eyes,))  # type: ignore[arg-type]


def find(images, seen, settings=SETTINGS, pool=None):
    """What is found by a detector that takes what is dark for text, after looks by `Eyes`."""
    return detect(images, net_of(seen), settings, pool, looks=looks_of(Eyes()))


@pytest.mark.parametrize(
    ("degrees", "axis"), [(79, 90), (-98, 90), (100, 90), (70, 70), (-24, -24)]
)
def test_text_about_a_quarter_turned_is_searched_turned_by_a_quarter(degrees, axis):
    image, _ = turned_by(page_of(), degrees)
    (found,) = find([image], Dark())
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), axis) < 1
    assert len(found.boxes) == len(BARS)
    assert all(angles_apart(np.rad2deg(phi), degrees) < 3 for phi in found.boxes[:, 2])


@pytest.mark.parametrize("as_words", [False, True])
@pytest.mark.parametrize("degrees", [-60, -20, 25, 60, 90, 130])
def test_turned_text_is_found_where_it_lies(degrees, as_words):
    image, matrix = turned_by(page_of(), degrees)
    seen = Dark(as_words)
    (found,) = find([image], seen)
    assert len(seen.canvases) == 1, "it is searched once"
    assert len(found.boxes) == len(BARS)
    for place, (_, _, width, _) in zip(places(BARS, matrix), BARS, strict=True):
        box = found.boxes[np.argmin(np.abs(found.boxes[:, :2] - place).sum(axis=1))]
        np.testing.assert_allclose(box[:2], place, atol=2)
        assert angles_apart(np.rad2deg(box[2]), degrees) < 2
        assert box[3] > width / 2 - 4
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), degrees) < 2
    # On the canvas the bars lay along the rows.
    rows = np.unique(np.argwhere(seen.canvases[0][..., 0] < 100)[:, 0])
    assert (np.diff(rows) > 1).sum() == len(BARS) - 1


@pytest.mark.parametrize("as_words", [False, True])
def test_maps_and_canvas_are_those_of_the_image_as_it_lies(as_words):
    image, _ = turned_by(page_of(), 60)
    net = net_of(Dark(as_words))
    (found,), (plain,) = find([image], Dark(as_words)), search([image], net, SETTINGS)
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
def test_text_about_upright_is_searched_once(degrees):
    image, _ = turned_by(page_of(), degrees)
    seen = Dark()
    (found,) = find([image], seen)
    assert len(seen.canvases) == 1 and found.axis is None and len(found.boxes) == len(BARS)


def test_images_of_a_batch_do_not_matter_to_each_other():
    images = [turned_by(page_of(), degrees)[0] for degrees in (0, 60, 5, 90)]
    images.append(np.full((50, 60, 3), GROUND, np.uint8))
    seen = Dark()
    with ThreadPoolExecutor(2) as pool:
        together = find(images, seen, SETTINGS, pool)
    assert len(seen.canvases) == len(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = find([image], Dark())
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.score_maps, alone.score_maps)
    assert find([], seen) == []


def test_tiles_of_a_turned_image():
    bars = [(30, 30 + 60 * k, 420, 14) for k in range(6)]
    image, matrix = turned_by(page_of(bars, (420, 500)), 50)
    tiled = replace(SETTINGS, tiling=True)
    (found,) = find([image], Dark(), tiled)
    assert found.canvas.shape == image.shape and found.score_maps.shape[:2] == image.shape[:2]
    assert len(found.boxes) == len(bars)
    for place in places(bars, matrix):
        assert np.abs(found.boxes[:, :2] - place).sum(axis=1).min() < 3


@pytest.mark.parametrize("as_words", [False, True])
@pytest.mark.parametrize("degrees", [40, -55])
def test_text_at_an_angle_to_the_rest_is_searched_as_it_would_lie_upright(degrees, as_words):
    slanting, matrix = turned_by(page_of(BARS[:2]), degrees)
    upright = page_of(size=(len(slanting), PAGE[1]))
    image, seen = np.hstack([upright, slanting]), Dark(as_words)
    (found,) = find([image], seen)
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


@pytest.mark.parametrize(("bars", "searches"), [((), 1), (((40, 40, 20, 18), (90, 40, 18, 18)), 2)])
def test_what_tells_no_angle_is_found_as_it_lies(bars, searches):
    """A page without text, and one of two short words, which may lie along the columns."""
    image = page_of(bars)
    seen = Dark()
    (found,) = find([image], seen)
    (plain,) = search([image], net_of(Dark()), SETTINGS)
    assert len(seen.canvases) == searches and found.axis is None
    np.testing.assert_array_equal(found.boxes, plain.boxes)
    np.testing.assert_array_equal(found.score_maps, plain.score_maps)


class Misled(Eyes):
    """Sees text across where it is."""

    @staticmethod
    def vectors(canvas):
        return -Eyes.vectors(canvas)


@pytest.mark.parametrize("degrees", [0, 60, 90, -35])
def test_an_image_whose_text_contradicts_the_look_is_searched_once_more(degrees):
    image, matrix = turned_by(page_of(), degrees)
    seen = Dark()
    (found,) = detect([image], net_of(seen), SETTINGS, looks=looks_of(Misled()))
    assert len(seen.canvases) == 2
    assert angles_apart(np.rad2deg(found.axis or 0.0), degrees) < 2
    assert len(found.boxes) == len(BARS)
    for place in places(BARS, matrix):
        assert np.abs(found.boxes[:, :2] - place).max(axis=1).min() < 2


class Shortsighted(Dark):
    """Sees only the first rows of what is dark on the first canvas."""

    def __call__(self, batch):
        is_first = not self.canvases
        maps = super().__call__(batch)
        if is_first:
            count, parts, stats, _ = cv2.connectedComponentsWithStats(maps[0].astype(np.uint8))
            for part in range(1, count):
                rows = np.arange(len(parts))[:, None]
                below = rows >= stats[part, cv2.CC_STAT_TOP] + stats[part, cv2.CC_STAT_WIDTH]
                maps[0][(parts == part) & below] = 0
        return maps


class Blind(Eyes):
    """Sees no text."""

    @staticmethod
    def vectors(canvas):
        return np.zeros_like(Eyes.vectors(canvas))


def test_what_is_found_without_an_axis_may_lie_along_the_columns():
    image, matrix = turned_by(page_of(), 90)
    seen = Shortsighted()
    (found,) = detect([image], net_of(seen), SETTINGS, looks=looks_of(Blind()))
    assert len(seen.canvases) == 2
    assert len(found.boxes) == len(BARS)
    for place in places(BARS, matrix):
        assert np.abs(found.boxes[:, :2] - place).max(axis=1).min() < 3
    assert all(angles_apart(np.rad2deg(phi), 90) < 2 for phi in found.boxes[:, 2])


def test_a_look_is_taken_only_where_it_is_asked_for_and_the_direction_is_not_known():
    image, eyes = page_of(), Eyes()
    net, looks = net_of(Dark()), looks_of(eyes)
    detect([image], net, SETTINGS, None, 0.0, looks)
    detect([image], net, replace(SETTINGS, straighten=False), looks=looks)
    detect([image], net, replace(SETTINGS, look=False), looks=looks)
    assert not eyes.canvases
    detect([image, image], net, SETTINGS, looks=looks)
    assert len(eyes.canvases) == 2
