"""Images whose text lies at an angle are searched as they lie upright."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from deepocr_jax import apply_deep_ocr, set_deep_ocr_param
from deepocr_jax.geometry.boxes import boxes_to_quads, normalize_phi
from deepocr_jax.geometry.straightening import boxes_of_original, straighten
from deepocr_jax.infer.detector import DetectionSettings, DetectorNet, search
from deepocr_jax.infer.looks import LookNet
from deepocr_jax.infer.straightening import detect
from deepocr_jax.models.score_maps import STRIDE
from deepocr_jax.models.text_axes import STRIDE as LOOK_STRIDE

GROUND, INK = 230, 20
SETTINGS = DetectionSettings(height=256, width=256)
# (x, y, width, height) of bars on a page of PAGE (height, width).
BARS = ((20, 20, 90, 12), (20, 60, 140, 12), (20, 100, 60, 12))
PAGE = (140, 200)


def page_of(bars=BARS, size=PAGE):
    image = np.full((*size, 3), GROUND, np.uint8)
    for x, y, width, height in bars:
        image[y : y + height, x : x + width] = INK
    return image


def turned_by(image, degrees):
    """Turned counter-clockwise onto a larger image; and the map [2, 3] of (x, y)."""
    height, width = image.shape[:2]
    cos, sin = abs(np.cos(np.deg2rad(degrees))), abs(np.sin(np.deg2rad(degrees)))
    size = np.rint([width * cos + height * sin, width * sin + height * cos]).astype(int)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (size - [width, height]) / 2
    return cv2.warpAffine(image, matrix, size.tolist(), borderValue=(GROUND,) * 3), matrix


def places(bars, matrix):
    """Centres (row, col) of bars on a turned page."""
    centres = np.array([(x + (w - 1) / 2, y + (h - 1) / 2) for x, y, w, h in bars])
    return (centres @ matrix[:, :2].T + matrix[:, 2])[:, ::-1]


class Dark:
    """Takes what is dark for text, and counts the canvases that it was shown."""

    def __init__(self, as_words=False):
        self.canvases, self.as_words = [], as_words

    def __call__(self, batch):
        self.canvases += list(batch)
        dark = (batch[..., 0] < 100).astype(np.float32)
        if not self.as_words:
            return dark[..., None]
        dark = dark[:, ::STRIDE, ::STRIDE]
        return np.stack([dark, dark, np.zeros_like(dark), np.ones_like(dark)], axis=-1)


def net_of(seen):
    return DetectorNet("cpu", (seen,), None, seen.as_words)  # type: ignore[arg-type]


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
    return detect(images, net_of(seen), settings, pool, looks_of(Eyes()))


def angles_apart(a, b):
    """Degrees between lines."""
    return abs((a - b + 90) % 180 - 90)


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


@pytest.mark.parametrize(
    ("degrees", "axis"), [(79, 90), (-98, 90), (100, 90), (70, 70), (-24, -24)]
)
def test_text_about_a_quarter_turned_is_searched_turned_by_a_quarter(degrees, axis):
    image, _ = turned_by(page_of(), degrees)
    (found,) = find([image], Dark())
    assert found.axis is not None and angles_apart(np.rad2deg(found.axis), axis) < 1
    assert len(found.boxes) == len(BARS)
    assert all(angles_apart(np.rad2deg(phi), degrees) < 3 for phi in found.boxes[:, 2])


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


def test_turned_text_is_searched_once_where_it_shall_not_be_straightened():
    image, _ = turned_by(page_of(), 60)
    seen = Dark()
    (found,) = find([image], seen, DetectionSettings(256, 256, straighten=False))
    assert len(seen.canvases) == 1 and found.axis is None and len(found.boxes) == len(BARS)


@pytest.mark.parametrize(("degrees", "axis"), [(60, 60), (-120, -120), (60, -120), (180, None)])
def test_a_known_direction_needs_no_first_look(degrees, axis):
    image, _ = turned_by(page_of(), degrees)
    seen = Dark()
    known = np.deg2rad(degrees if axis is None else axis)
    (found,) = detect([image], net_of(seen), SETTINGS, orientation_rad=known)
    assert len(seen.canvases) == 1 and len(found.boxes) == len(BARS)
    assert found.axis == (None if axis is None else known)


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
    tiled = DetectionSettings(height=256, width=256, tiling=True)
    (found,) = find([image], Dark(), tiled)
    assert found.canvas.shape == image.shape and found.score_maps.shape[:2] == image.shape[:2]
    assert len(found.boxes) == len(bars)
    for place in places(bars, matrix):
        assert np.abs(found.boxes[:, :2] - place).sum(axis=1).min() < 3


@pytest.mark.parametrize("degrees", [60, 105, -70])
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


def test_what_has_no_direction_is_found_once():
    """A disc's box lies along the rows of whichever image it is searched in."""
    slanting, _ = turned_by(page_of(BARS[:2]), 40)
    upright = page_of(size=(len(slanting), PAGE[1]))
    cv2.circle(upright, (160, 25), 9, (INK,) * 3, -1)
    (found,) = find([np.hstack([upright, slanting])], Dark())
    assert len(found.boxes) == len(BARS) + 2 + 1
    assert (np.abs(found.boxes[:, :2] - [25, 160]).max(axis=1) < 2).sum() == 1


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
    (found,) = detect([image], net_of(seen), SETTINGS, None, looks_of(Misled()))
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
    (found,) = detect([image], net_of(seen), SETTINGS, None, looks_of(Blind()))
    assert len(seen.canvases) == 2
    assert len(found.boxes) == len(BARS)
    for place in places(BARS, matrix):
        assert np.abs(found.boxes[:, :2] - place).max(axis=1).min() < 3
    assert all(angles_apart(np.rad2deg(phi), 90) < 2 for phi in found.boxes[:, 2])


def test_without_a_look_images_are_searched_as_they_lie():
    image, _ = turned_by(page_of(), 60)
    seen = Dark()
    (found,) = detect([image], net_of(seen), SETTINGS)
    assert len(seen.canvases) == 1 and found.axis is None and len(found.boxes) == len(BARS)


def test_a_look_is_taken_only_where_the_direction_is_not_known():
    image, eyes = page_of(), Eyes()
    net, looks = net_of(Dark()), looks_of(eyes)
    detect([image], net, SETTINGS, None, looks, 0.0)
    detect([image], net, DetectionSettings(256, 256, straighten=False), None, looks)
    assert not eyes.canvases
    detect([image, image], net, SETTINGS, None, looks)
    assert len(eyes.canvases) == 2
