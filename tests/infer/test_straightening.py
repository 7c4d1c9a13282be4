"""Images whose text lies at an angle are searched as they lie upright."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bars import (
    BARS,
    INK,
    PAGE,
    SETTINGS,
    Dark,
    angles_apart,
    net_of,
    page_of,
    places,
    turned_by,
)

from deepocr_jax import apply_deep_ocr, set_deep_ocr_param
from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.geometry.straightening import boxes_of_original, straighten
from deepocr_jax.infer.detector import DetectionSettings, search
from deepocr_jax.infer.straightening import detect
from deepocr_jax.postprocess.line_directions import (
    direction_votes,
    oblique_axis,
    prevailing_axis,
)


@pytest.mark.parametrize("degrees", [-150, -90, -33, 0, 20, 45, 90, 171, 180])
def test_a_turned_image_is_straightened(degrees):
    image, _ = turned_by(page_of(), degrees)
    straight = straighten(image, np.deg2rad(degrees))
    dark = np.argwhere(straight.image[..., 0] < 128)
    rows = np.unique(dark[:, 0])
    assert np.abs(np.diff(rows) > 1).sum() == len(BARS) - 1, "bars lie along the rows"
    # Nothing is cut off, and the plain corners are.
    assert len(dark) == pytest.approx(sum(w * h for _, _, w, h in BARS), rel=0.05)
    height, width = straight.image.shape[:2]
    assert height < 120 and width < 170 or degrees % 90 == 0


@pytest.mark.parametrize("quarters", [-3, -2, -1, 0, 1, 2, 4])
def test_quarters_of_a_turn_change_no_value(quarters):
    upright = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    straight = straighten(np.rot90(upright, quarters), quarters * np.pi / 2)
    np.testing.assert_array_equal(straight.image, upright)
    # The place of the first row's last pixel in the image that was turned, and in this one.
    marked = np.zeros((30, 50))
    marked[0, -1] = 1
    (row, col), *_ = np.argwhere(np.rot90(marked, quarters))
    x, y = straight.matrix @ [col, row, 1]
    np.testing.assert_allclose((x, y), (49, 0), atol=1e-9)


@pytest.mark.parametrize("degrees", [-120, -35, 10, 90, 135])
def test_boxes_come_back_to_where_they_were(degrees):
    image, _ = turned_by(page_of(), degrees)
    straight = straighten(image, np.deg2rad(degrees))
    rng = np.random.default_rng(0)
    boxes = rng.uniform([0, 0, -np.pi, 5, 2], [90, 90, np.pi, 30, 9], (20, 5))
    back = boxes_of_original(boxes, straight)
    corners = boxes_to_quads(back).reshape(-1, 2)[:, ::-1]
    seen = corners @ straight.matrix[:, :2].T + straight.matrix[:, 2]
    np.testing.assert_allclose(seen[:, ::-1], boxes_to_quads(boxes).reshape(-1, 2), atol=1e-6)


def test_a_plain_image_is_turned_as_a_whole():
    straight = straighten(np.full((30, 60, 3), 9, np.uint8), np.deg2rad(60))
    height, width = straight.image.shape[:2]
    assert height >= 60 * np.sin(np.deg2rad(60)) and width >= 60 * np.cos(np.deg2rad(60))


def boxes_of(*rows):
    """Boxes of (degrees, half length, half height)."""
    return np.array([(9.0, 9.0, np.deg2rad(a), long, high) for a, long, high in rows]).reshape(
        -1, 5
    )


@pytest.mark.parametrize("axis", [0, 14, 30, 89, -89, 90, -45])
def test_the_axis_is_that_of_most_of_the_text(axis):
    lines = [(axis + shift, 50, 8) for shift in (-4, 0, 0, 3)] + [(axis + 180, 60, 8)]
    others = [(axis + 90, 30, 8), (axis + 55, 40, 8), (77, 9, 8)]
    boxes = boxes_of(*lines, *others)
    found = np.rad2deg(prevailing_axis(boxes, np.ones(len(boxes))))
    assert angles_apart(found, axis) < 2
    assert -90 < found <= 90


def test_text_in_all_directions_has_no_axis():
    boxes = boxes_of(*[(a, 40, 8) for a in range(0, 180, 25)])
    assert prevailing_axis(boxes, np.ones(len(boxes))) is None


@pytest.mark.parametrize("boxes", [boxes_of(), boxes_of((50, 9, 8), (60, 9, 9))])
def test_without_clear_directions_there_is_no_axis(boxes):
    assert prevailing_axis(boxes, np.ones(len(boxes))) is None


def test_boxes_vote_by_their_scores():
    boxes = boxes_of((0, 50, 8), (70, 60, 8))
    assert prevailing_axis(boxes, np.array([0.9, 0.1])) == 0
    assert np.rad2deg(prevailing_axis(boxes, np.array([0.1, 0.9]))) == pytest.approx(70)
    assert prevailing_axis(boxes, np.zeros(2)) is None
    np.testing.assert_allclose(direction_votes(boxes, np.array([0.5, 0.25])), [25, 15])


def test_turned_text_is_searched_once_where_it_shall_not_be_straightened():
    image, _ = turned_by(page_of(), 60)
    seen = Dark()
    (found,) = detect([image], net_of(seen), DetectionSettings(256, 256, straighten=False))
    assert len(seen.canvases) == 1 and found.axis is None and len(found.boxes) == len(BARS)


@pytest.mark.parametrize(("degrees", "axis"), [(60, 60), (-120, -120), (60, -120), (180, None)])
def test_a_known_direction_needs_no_first_look(degrees, axis):
    image, _ = turned_by(page_of(), degrees)
    seen = Dark()
    known = np.deg2rad(degrees if axis is None else axis)
    (found,) = detect([image], net_of(seen), SETTINGS, None, known)
    assert len(seen.canvases) == 1 and len(found.boxes) == len(BARS)
    assert found.axis == (None if axis is None else known)


def test_lines_across_that_were_short_words_are_looked_at_once_more():
    """What looks like a line as an image lies may be words below each other."""
    first = page_of(((40, 20, 20, 110),))

    class Column(Dark):
        def __call__(self, batch):
            maps = super().__call__(batch)
            if len(self.canvases) == 2:  # Now it sees words, which lie along the columns.
                maps[:] = 0
                for col in (30, 70, 110):
                    maps[:, 40:160, col : col + 20] = 1
            return maps

    seen = Column()
    (found,) = detect([first], net_of(seen), SETTINGS)
    assert len(seen.canvases) == 3
    assert found.axis is not None and abs(np.sin(found.axis)) < 0.1


class AlongRows(Dark):
    """Takes for text what is dark for at least 30 columns."""

    def __call__(self, batch):
        maps = super().__call__(batch)
        for page in maps:
            page[..., 0] = cv2.morphologyEx(page[..., 0], cv2.MORPH_OPEN, np.ones((1, 30)))
        return maps


def test_text_that_is_only_seen_along_the_rows_is_found_along_the_columns():
    image, matrix = turned_by(page_of(), 90)
    seen = AlongRows()
    (found,) = detect([image], net_of(seen), SETTINGS)
    assert len(seen.canvases) == 2 and len(found.boxes) == len(BARS)
    for place in places(BARS, matrix):
        assert np.abs(found.boxes[:, :2] - place).sum(axis=1).min() < 3
    assert all(angles_apart(np.rad2deg(phi), 90) < 2 for phi in found.boxes[:, 2])


@pytest.mark.parametrize("bars", [(), ((40, 40, 20, 18), (90, 40, 18, 18))])
def test_what_tells_no_more_sideways_stays_as_it_lay(bars):
    """A page without text, and one of two short words."""
    image = page_of(bars)
    seen = Dark()
    (found,) = detect([image], net_of(seen), SETTINGS)
    (plain,) = search([image], net_of(Dark()), SETTINGS)
    assert len(seen.canvases) == 2 and found.axis is None
    np.testing.assert_array_equal(found.boxes, plain.boxes)
    np.testing.assert_array_equal(found.score_maps, plain.score_maps)


@pytest.mark.parametrize(("degrees", "shear"), [(20, -7), (70, 8), (-72, -9)])
def test_an_image_that_lies_upright_once_straightened_is_not_searched_again(degrees, shear):
    """Though what is found then is less than the angle that is let pass away from a quarter."""
    image, _ = turned_by(page_of(), degrees)

    class Sheared(Dark):
        def __call__(self, batch):
            if not self.canvases:
                return super().__call__(batch)
            self.canvases += list(batch)
            lying = np.stack([turned_by(x, shear)[0][:256, :256] for x in batch])
            return (lying[..., :1] < 100).astype(np.float32)

    seen = Sheared()
    detect([image], net_of(seen), SETTINGS)
    assert len(seen.canvases) == 2


@pytest.mark.parametrize(
    "degrees", [60, *(pytest.param(d, marks=pytest.mark.slow) for d in (105, -70))]
)
def test_the_sample_reads_as_upright(handle, sample, sample_words, degrees):
    image, _ = turned_by(sample, degrees)
    read = apply_deep_ocr(image, handle)["words"]
    phi = np.rad2deg(normalize_phi(read["phi"]))
    assert sum(angles_apart(p, degrees) < 5 for p in phi) >= 0.9 * len(phi)
    missing = [word for word in sample_words if word not in set(read["word"])]
    assert len(missing) <= 0.05 * len(sample_words), missing


def test_straightening_can_be_switched_off(handle, sample):
    image, _ = turned_by(sample, 60)
    set_deep_ocr_param(handle, "detection_straighten", False)
    maps = apply_deep_ocr(image, handle, "detection")["score_maps"]
    set_deep_ocr_param(handle, "detection_straighten", True)
    assert not np.array_equal(maps, apply_deep_ocr(image, handle, "detection")["score_maps"])


@pytest.mark.parametrize(("axis", "degrees"), [(0, 40), (0, -50), (90, 40), (-35, 10)])
def test_text_at_an_angle_to_the_rest_has_an_axis_of_its_own(axis, degrees):
    rest = [(axis, 50, 8), (axis + 90, 50, 8), (axis + 20, 50, 8)]
    boxes = boxes_of(*rest, (degrees - 3, 60, 8), (degrees + 183, 60, 8))
    weights = np.ones(len(boxes))
    found = np.rad2deg(oblique_axis(boxes, weights, np.deg2rad(axis)))
    assert angles_apart(found, degrees) < 1
    # A third of the text is too little, and so are lines that agree on nothing.
    assert oblique_axis(boxes, weights * [1, 1, 2.5, 1, 1], np.deg2rad(axis)) is None
    spread = boxes_of(*((axis + d, 50, 8) for d in (-60, -30, 30, 60)))
    assert oblique_axis(spread, np.ones(4), np.deg2rad(axis)) is None
    assert oblique_axis(boxes_of(), np.ones(0), np.deg2rad(axis)) is None


def test_what_has_no_direction_is_found_once():
    """A disc's box lies along the rows of whichever image it is searched in."""
    slanting, _ = turned_by(page_of(BARS[:2]), 40)
    upright = page_of(size=(len(slanting), PAGE[1]))
    cv2.circle(upright, (160, 25), 9, (INK,) * 3, -1)
    (found,) = detect([np.hstack([upright, slanting])], net_of(Dark()), SETTINGS)
    assert len(found.boxes) == len(BARS) + 2 + 1
    assert (np.abs(found.boxes[:, :2] - [25, 160]).max(axis=1) < 2).sum() == 1


class Misled(Dark):
    """Sees lines across the text at first, and after that only text along the rows."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def __call__(self, batch):
        is_first = not self.canvases
        maps = super().__call__(batch)
        if is_first:
            maps = super().__call__(self.first[None])
            self.canvases.pop()
            return maps
        # Bars are 12 px high: along the rows they are longer than across.
        along = cv2.morphologyEx(maps[0, ..., 0], cv2.MORPH_OPEN, np.ones((1, 40), np.uint8))
        return along[None, ..., None]


def test_where_a_straightened_image_shows_nothing_it_is_searched_across():
    image, matrix = turned_by(page_of(), 60)
    (plain,) = search([image], net_of(Dark()), SETTINGS)
    size = plain.canvas.shape[:2]
    bars, _ = turned_by(page_of(), -30)
    first = cv2.copyMakeBorder(
        bars,
        0,
        max(0, size[0] - len(bars)),
        0,
        max(0, size[1] - bars.shape[1]),
        cv2.BORDER_REPLICATE,
    )[: size[0], : size[1]]
    seen = Misled(first)
    (found,) = detect([image], net_of(seen), SETTINGS)
    assert len(seen.canvases) == 3
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), 60) < 2
    assert len(found.boxes) == len(BARS)
    for place in places(BARS, matrix):
        assert np.abs(found.boxes[:, :2] - place).max(axis=1).min() < 2
