from __future__ import annotations

import math

import numpy as np
import pytest

from deepocr_jax.display.draw import START_COLOR, TEXT_COLOR, draw_result
from deepocr_jax.errors import ImageFormatError, ParameterValueError

GREEN = (0, 160, 0)


def result_of(boxes, texts=None):
    keys = ("row", "col", "phi", "length1", "length2")
    columns = np.array(boxes, np.float64).reshape(-1, 5).T
    words = dict(zip(keys, columns, strict=True))
    if texts is not None:
        words["word"] = list(texts)
    return {"words": words}


@pytest.fixture
def white():
    return np.full((120, 200, 3), 255, np.uint8)


def is_color(image, color):
    return (image == np.array(color, np.uint8)).all(axis=-1)


@pytest.mark.parametrize(
    ("phi", "start"),
    [
        (0.0, (60, 60)),
        (math.pi, (60, 140)),
        (math.pi / 2, (100, 100)),  # reads upwards, so it starts at the bottom
        (-math.pi / 2, (20, 100)),
    ],
)
def test_box_and_the_edge_where_the_reading_starts(white, phi, start):
    drawn = draw_result(white, result_of([(60, 100, phi, 40, 10)]))
    assert is_color(drawn, START_COLOR)[start]
    end = (120 - start[0], 200 - start[1])
    assert is_color(drawn, GREEN)[end]
    assert not is_color(drawn, START_COLOR)[end]


def test_outline_alone_is_drawn_and_colour_and_width_are_obeyed(white):
    result = result_of([(60, 100, 0, 40, 10)])
    thin, wide = (
        draw_result(white, result, box_color=(1, 2, 250), line_width=width) for width in (1, 5)
    )
    assert is_color(wide, (1, 2, 250))[50, 100]
    changed = [(image != white).any(axis=-1).sum() for image in (thin, wide)]
    assert 150 < changed[0] < changed[1] / 2
    assert is_color(wide, (255, 255, 255))[60, 100]


def test_input_stays_as_it_is_and_output_is_rgb(white):
    before = white.copy()
    drawn = draw_result(white, result_of([(60, 100, 0.3, 40, 10)], ["word"]))
    np.testing.assert_array_equal(white, before)
    assert drawn.shape == white.shape
    assert drawn.dtype == np.uint8
    assert drawn.flags.writeable


def test_no_words_gives_a_copy(white):
    drawn = draw_result(white, result_of([], []))
    np.testing.assert_array_equal(drawn, white)
    assert not np.shares_memory(drawn, white)


def test_gray_image_is_taken():
    assert draw_result(np.zeros((40, 50), np.uint8), result_of([])).shape == (40, 50, 3)


def test_words_stand_above_their_box_and_can_be_left_out(white):
    result = result_of([(60, 100, 0, 40, 10)], ["word"])
    ink = is_color(draw_result(white, result), TEXT_COLOR)
    assert ink[:50].any()
    assert not ink[50:].any()
    assert not is_color(draw_result(white, result, show_words=False), TEXT_COLOR).any()


def test_words_of_an_upside_down_box_stand_below_it(white):
    ink = is_color(
        draw_result(white, result_of([(60, 100, math.pi, 40, 10)], ["word"])), TEXT_COLOR
    )
    assert ink[71:].any()
    assert not ink[:71].any()


def test_text_follows_the_size_of_its_box(white):
    def height(half_height):
        result = result_of([(90, 100, 0, 95, half_height)], ["word"])
        drawn = draw_result(white, result)
        plain = draw_result(white, result, show_words=False)
        return np.ptp(np.flatnonzero((drawn != plain).any(axis=(1, 2))))

    assert height(6) < height(12) < height(24)


def test_text_on_dark_ground_has_a_halo():
    dark = np.zeros((120, 200, 3), np.uint8)
    drawn = draw_result(dark, result_of([(60, 100, 0, 40, 10)], ["word"]))
    assert is_color(drawn, (255, 255, 255)).sum() > 50


def test_word_at_the_upper_edge_stays_inside(white):
    drawn = draw_result(white, result_of([(8, 100, 0, 40, 8)], ["word"]))
    assert is_color(drawn, TEXT_COLOR).any()


@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, 0, 20, 5),
        (500, 900, 1, 20, 5),
        (60, 100, 0, 0, 0),
        (60, 100, 0.5, 5000, 900),
    ],
)
def test_boxes_outside_or_without_area_do_no_harm(white, box):
    assert draw_result(white, result_of([box], ["word"])).shape == white.shape


@pytest.mark.parametrize(
    "text", ["東京", "😀", "عرب", "e\u0301", "", " ", "\n", "a\tb", "\ud83d", "\0"]
)
def test_every_text_can_be_drawn(white, text):
    assert draw_result(white, result_of([(60, 100, 0, 40, 10)], [text])).shape == white.shape


def test_letter_that_the_font_lacks_loses_its_accent(white):
    boxes = [(60, 100, 0, 40, 10)]
    np.testing.assert_array_equal(
        draw_result(white, result_of(boxes, ["façade"])),
        draw_result(white, result_of(boxes, ["facade"])),
    )


def test_wrong_calls_say_what_is_wrong(white):
    with pytest.raises(ParameterValueError, match="mode recognition"):
        draw_result(white, {"word": "text", "confidence": 1.0})
    with pytest.raises(ParameterValueError, match="at least 1, got 0"):
        draw_result(white, result_of([]), line_width=0)
    with pytest.raises(ImageFormatError):
        draw_result(np.zeros((2, 2, 2, 2), np.uint8), result_of([]))
