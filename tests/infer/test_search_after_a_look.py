"""Images are looked at before they are searched, and what the looks told may turn out wrong."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from bars import (
    BARS,
    Dark,
    Eyes,
    angles_apart,
    looks_of,
    net_of,
    page_of,
    places,
    turned_by,
)
from bars import SETTINGS as PLAIN_SETTINGS

from deepocr_jax.infer.detector import search
from deepocr_jax.infer.straightening import detect

SETTINGS = replace(PLAIN_SETTINGS, look=True)


def find(image, seen, eyes):
    (found,) = detect([image], net_of(seen), SETTINGS, looks=looks_of(eyes))
    return found


@pytest.mark.parametrize(("bars", "searches"), [((), 1), (((40, 40, 20, 18), (90, 40, 18, 18)), 2)])
def test_what_tells_no_angle_is_found_as_it_lies(bars, searches):
    """A page without text, and one of two short words, which may lie along the columns."""
    image = page_of(bars)
    seen = Dark()
    found = find(image, seen, Eyes())
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
    found = find(image, seen, Misled())
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
    found = find(image, seen, Blind())
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
