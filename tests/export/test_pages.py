from __future__ import annotations

import math

import numpy as np
import pytest
from handmade_results import STRANGE, characters, line_of, page_of, result_of, words_of
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.export.pages import box_to_bounds, box_to_polygon, printable, result_to_page


def block_texts(page):
    return [[line.text for line in block.lines] for block in page.blocks]


def test_lines_are_those_of_the_result_and_blocks_are_columns_and_paragraphs():
    assert block_texts(page_of("upright")) == [
        ["Alpha beta gamma", "delta 12,50 end."],
        ["far below"],
    ]
    assert block_texts(page_of("columns")) == [
        ["Heading over both"],
        ["one two three", "four five six", "seven eight nine"],
        ["ten eleven twelve", "thirteen and more", "the last line"],
    ]


@pytest.mark.parametrize("degrees", [0, 7, 90, 180, -90, 133])
def test_blocks_do_not_depend_on_the_direction_of_the_page(degrees):
    angle = math.radians(degrees)
    rows = []
    for line, (offset, text) in enumerate([(0, "above here"), (30, "below it"), (200, "away")]):
        row, col = offset * math.cos(angle), offset * math.sin(angle)
        rows += line_of(text, 500 + row, 500 + col, line, degrees)
    page = result_to_page(result_of(rows), (1000, 1000))
    assert block_texts(page) == [["above here", "below it"], ["away"]]


def test_a_turned_line_is_a_block_of_its_own():
    assert [len(block.lines) for block in page_of("rotated").blocks] == [1] * 6


def test_the_box_of_a_line_encloses_its_words():
    for line in page_of("rotated").lines:
        phi, first = line.box[2], line.words[0].box
        assert math.cos(phi - first[2]) == pytest.approx(1)
        assert line.box[4] == pytest.approx(first[4])
        ends = [line.words[0].box, line.words[-1].box]
        span = np.linalg.norm(ends[1][:2] - ends[0][:2]) + ends[0][3] + ends[1][3]
        assert 2 * line.box[3] == pytest.approx(span)


def test_places_count_from_the_edge_of_the_first_pixel_and_stay_on_the_page():
    page = result_to_page(result_of([("w", 4.5, 9.5, 0, 5, 2, 0)]), (8, 12))
    box = words_of(page)[0].box
    assert box_to_bounds(box, page).tolist() == [5, 3, 12, 7]
    assert box_to_polygon(box, page).tolist() == [[5, 3], [12, 3], [12, 7], [5, 7]]


def test_the_crop_of_a_word_is_a_page_of_one_word():
    result = {"word": "abc", "confidence": 0.5, "char_candidates": characters("abc")}
    page = result_to_page(result, (20, 60))
    (word,) = words_of(page)
    assert (word.text, word.confidence) == ("abc", 0.5)
    assert box_to_bounds(word.box, page).tolist() == [0, 0, 60, 20]


def test_boxes_without_text():
    result, size = result_of([("w", 10, 10, 0, 5, 2, 0)]), (20, 20)
    words = {k: v for k, v in result["words"].items() if k in ("row", "col", "phi", "line_index")}
    words |= {key: result["words"][key] for key in ("length1", "length2")}
    (word,) = words_of(result_to_page({"words": words}, size))
    assert (word.text, word.confidence, word.chars) == ("", None, ())


def test_a_result_of_something_else_is_refused():
    with pytest.raises(ParameterValueError, match="'words' or 'word'.*score_maps"):
        result_to_page({"score_maps": np.zeros((2, 2, 1))}, (2, 2))


@given(st.text())
def test_printable_text_has_as_many_characters_and_none_that_files_cannot_hold(text):
    clean = printable(text)
    assert len(clean) == len(text)
    clean.encode("utf-8")
    assert len(clean.splitlines()) <= 1
    kept = [a for a, b in zip(text, clean, strict=True) if a == b]
    assert all(ord(c) >= 32 and not 0xD800 <= ord(c) < 0xE000 for c in kept)


def test_ordinary_text_stays():
    for text in (STRANGE[0], STRANGE[4], STRANGE[5], "naïve Łódź 東京"):
        assert printable(text) == text
