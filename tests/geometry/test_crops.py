import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.geometry.boxes import boxes_to_quads, turn_boxes
from deepocr_jax.geometry.crops import (
    MIN_BILINEAR_SCALE,
    crop_box,
    crop_to_image,
    resize_image,
)

SEEDS = st.integers(0, 2**32 - 1)
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def edge_box(row0: float, col0: float, row1: float, col1: float) -> np.ndarray:
    """The box of image[row0:row1, col0:col1], its edges between pixels."""
    centre = [(row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2]
    return np.array([*centre, 0, (col1 - col0) / 2, (row1 - row0) / 2])


@given(st.integers(0, 50), st.integers(0, 70), st.integers(1, 60), st.integers(1, 80))
def test_crop_at_whole_pixels_is_the_slice(row, col, height, width):
    height, width = min(height, 60 - row), min(width, 80 - col)
    box = edge_box(row, col, row + height, col + width)
    actual = crop_box(IMAGE, box, height, width)
    np.testing.assert_array_equal(actual, IMAGE[row : row + height, col : col + width])


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_crop_of_a_quarter_turned_box_is_the_turned_slice(quarter):
    box = edge_box(10, 20, 26, 60)
    turns = quarter * np.pi / 2
    sides = box[3:] if quarter == 2 else box[:2:-1]
    height, width = (16, 40) if quarter == 2 else (40, 16)
    actual = crop_box(IMAGE, np.array([*box[:2], turns, *sides]), height, width)
    # The box reads upwards for one quarter: its crop is the slice turned clockwise.
    np.testing.assert_array_equal(actual, np.rot90(IMAGE[10:26, 20:60], -quarter))


@given(st.floats(-3.1, 3.1), st.floats(20, 60), st.floats(8, 20), st.floats(0.3, 2))
def test_crop_of_a_drawn_rectangle_has_its_colour(phi, length1, length2, scale):
    image = np.zeros((200, 200, 3), np.uint8)
    box = np.array([100, 100, phi, length1, length2])
    corners = np.round(boxes_to_quads(box)[0, :, ::-1] * 256).astype(np.int32)
    cv2.fillConvexPoly(image, corners, (10, 200, 90), shift=8)
    # Shrunk by area, a pixel of the crop mixes what lies 1 / scale around it.
    inner = box - [0, 0, 0, 1.5 + 1.5 / scale, 1.5 + 1.5 / scale]
    height, width = max(1, round(2 * inner[4] * scale)), max(1, round(2 * inner[3] * scale))
    crop = crop_box(image, inner, height, width)
    np.testing.assert_array_equal(crop, np.broadcast_to((10, 200, 90), crop.shape))


@given(SEEDS, st.floats(-3.1, 3.1), st.floats(0.2, 2))
@settings(deadline=None)
def test_crop_of_a_turned_box_is_the_turned_crop(seed, phi, scale):
    noise = np.random.default_rng(seed).integers(0, 256, (90, 110, 3), np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 2)
    box = np.array([[45, 55, phi, 30, 12]])
    height, width = max(1, round(24 * scale)), max(1, round(60 * scale))
    crop = crop_box(image, box[0], height, width)
    turned = crop_box(image, turn_boxes(box, np.array([True]))[0], height, width)
    difference = np.abs(crop.astype(int) - turned[::-1, ::-1])
    # Sources that are shrunk first may fall on pixels of the shrunk grid differently.
    assert difference.max() <= (2 if scale >= MIN_BILINEAR_SCALE + 0.05 else 24)
    assert difference.mean() < 3


@given(SEEDS)
@settings(deadline=None)
def test_crop_agrees_with_sampling_by_hand(seed):
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:60, :80]
    image = np.repeat((rows + 2 * cols)[..., None], 3, axis=2).astype(np.uint8)
    box = np.array([30, 40, rng.uniform(-3, 3), rng.uniform(5, 20), rng.uniform(3, 15)])
    height, width = rng.integers(12, 30, 2)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    col, row = crop_to_image(box, height, width) @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    crop = crop_box(image, box, height, width)[..., 0].reshape(-1)
    inside = (row >= 0) & (row <= 59) & (col >= 0) & (col <= 79)
    np.testing.assert_allclose(crop[inside], (row + 2 * col)[inside], atol=1.1)


@pytest.mark.parametrize("size", [(20, 40), (5, 10), (2, 4)])
@pytest.mark.parametrize(
    "centre", [(0, 0), (59, 79), (-5, 40), (-500, 40), (30, 9000), (-500, -500), (500, 500)]
)
def test_boxes_across_and_beyond_the_border_repeat_it(centre, size):
    # Of one colour inside, another at the border: beyond the image only the border is seen.
    image = np.full((60, 80, 3), 250, np.uint8)
    image[2:-2, 2:-2] = 10
    crop = crop_box(image, np.array([*centre, 0, 20, 10]), *size)
    assert crop.shape == (*size, 3) and crop.dtype == np.uint8
    if max(abs(centre[0]), abs(centre[1])) >= 500:
        assert crop.min() == 250


@given(SEEDS, st.floats(-3.1, 3.1), st.floats(0.04, 0.5))
@settings(deadline=None)
def test_strong_shrinking_keeps_the_mean_gray(seed, phi, scale):
    rng = np.random.default_rng(seed)
    image = np.full((400, 400, 3), 255, np.uint8)
    image[:, :: int(rng.integers(3, 6))] = 0  # hair lines that plain sampling would miss or double
    box = np.array([200, 200, phi, 130, 60])
    crop = crop_box(image, box, round(120 * scale), round(260 * scale))
    assert abs(crop.mean() - image.mean()) < 12


@pytest.mark.parametrize("halves", [(0, 0), (10, 0), (0, 10)])
def test_boxes_without_area_give_a_crop(halves):
    assert crop_box(IMAGE, np.array([30, 40, 0.3, *halves]), 8, 16).shape == (8, 16, 3)


def test_resizing_to_the_same_size_is_the_image_itself():
    assert resize_image(IMAGE, 60, 80) is IMAGE


@pytest.mark.parametrize(("height", "width"), [(30, 40), (15, 16), (120, 160), (30, 160), (1, 1)])
def test_resizing_keeps_a_plain_image_and_its_place(height, width):
    assert np.all(resize_image(np.full((60, 80, 3), 77, np.uint8), height, width) == 77)
    half = np.zeros((60, 80, 3), np.uint8)
    half[:, 40:] = 200
    resized = resize_image(half, height, width)
    assert resized.shape == (height, width, 3)
    assert abs(resized.mean() - 100) < 1
