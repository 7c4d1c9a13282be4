from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.synth.fonts import font_faces
from deepocr_jax.synth.layout import HEIGHT, draw_text, in_dots, make_layout, needed_width
from deepocr_jax.synth.painting import warp_ink


@given(st.text("ab", max_size=60))
def test_needed_width_has_a_frame_for_each_step_of_ctc(text):
    repeats = sum(a == b for a, b in zip(text, text[1:], strict=False))
    # No crop is read on a canvas narrower than 160 pixels.
    assert max(160, needed_width(text)) // 8 >= len(text) + repeats


def test_ink_lies_in_its_quad_and_fills_it(font_paths):
    faces = [face for path in font_paths for face in font_faces(path)]
    for index in range(60):
        random = np.random.default_rng(index)
        text = ("HEX", "Open 24", "gypsum")[index % 3]
        layout = make_layout(random, faces[index % len(faces)], text, 2048)
        ink = warp_ink(layout)
        assert ink.shape == (HEIGHT, layout.width) and ink.max() > 0.5
        cols, rows = np.flatnonzero((ink > 0.3).any(0)), np.flatnonzero((ink > 0.3).any(1))
        low, high = layout.quad.min(axis=0), layout.quad.max(axis=0)
        slack = 3
        assert low[0] - slack <= cols[0] and cols[-1] <= high[0] + slack
        assert low[1] - slack <= rows[0] and rows[-1] <= high[1] + slack
        assert cols[-1] - cols[0] > 0.6 * (min(high[0], layout.width) - max(low[0], 0))


def test_a_long_text_is_squeezed_to_the_width(font_paths):
    face = font_faces(font_paths[0])[0]
    layout = make_layout(np.random.default_rng(0), face, "WIDE WORDS " * 5, 160)
    assert layout.width == 160 and layout.quad[:, 0].max() < 180


def test_dots_stand_where_there_is_ink():
    ink = np.zeros((40, 80), np.uint8)
    ink[10:30, 20:60] = 255
    dots = in_dots(ink, 10)
    assert dots.dtype == np.uint8 and dots.shape == ink.shape
    assert not dots[ink == 0].any()
    count, *_ = cv2.connectedComponents((dots > 128).astype(np.uint8))
    assert count - 1 == 2 * 4
    # Round ones in the middle of their squares, as wide as they should be.
    square = dots[10:20, 20:30]
    np.testing.assert_array_equal(square, square.T)
    np.testing.assert_array_equal(square, square[::-1])
    assert square[4, 4] == 255 and square[0, 0] == 0
    assert 0.4 < square.mean() / 255 < np.pi / 4
    assert not in_dots(ink // 4, 10).any(), "too little ink"


@pytest.mark.parametrize("place", [11, 14, 18, 20])
def test_thin_strokes_are_whole_rows_of_dots(place):
    ink = np.zeros((90, 90), np.uint8)
    ink[:, place : place + 2] = 255
    rows = in_dots(ink, 9).reshape(10, 9, 90).max(axis=(1, 2))
    np.testing.assert_array_equal(rows, 255)


def test_dots_too_close_to_be_told_apart_are_not_drawn(font_paths):
    face = font_faces(font_paths[0])[0]
    layout = make_layout(np.random.default_rng(0), face, "LOT 24", 2048)
    dotted = replace(layout, dots=22)
    for size, differs in ((18, False), (72, True)):
        (plain, _), (drawn, _) = draw_text(replace(layout, dots=0), size), draw_text(dotted, size)
        assert np.array_equal(plain, drawn) != differs


def test_some_texts_are_written_in_dots(font_paths):
    face = font_faces(font_paths[0])[0]
    layouts = [make_layout(np.random.default_rng(k), face, "LOT 24", 2048) for k in range(400)]
    dotted = [layout for layout in layouts if layout.dots]
    assert 0.02 < len(dotted) / len(layouts) < 0.09
    for layout in dotted[:5]:
        (drawn, corners), (plain, same) = (
            draw_text(x, 72) for x in (layout, replace(layout, dots=0))
        )
        np.testing.assert_array_equal(corners, same)
        parts = [cv2.connectedComponents((x > 128).astype(np.uint8))[0] for x in (drawn, plain)]
        assert parts[0] > 4 * parts[1]
        assert 0.3 < drawn.sum() / plain.sum() < 1.1
