"""Lines of any length are read in overlapping pieces, nothing twice and nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import deepocr_jax
from deepocr_jax.infer.lines import Line, crop_seen
from deepocr_jax.infer.long_lines import join_pieces, seam
from deepocr_jax.infer.orientation import turned_probability
from deepocr_jax.infer.readings import Reading

PITCH = 20


def reading(text, first=0.0, confidence=0.9):
    """Characters at even distances."""
    starts = first + PITCH * np.arange(len(text), dtype=float)
    chars = tuple(text)
    return Reading(
        chars,
        starts,
        starts + PITCH,
        tuple((c,) for c in chars),
        ((confidence,),) * len(chars),
        np.zeros(len(chars), np.float32),
        np.zeros(len(chars) + 1, np.float32),
    )


def text_of(found):
    return "".join(found.text)


@pytest.mark.parametrize("text", ["abcdefghijklmnop", "a" * 16, "ab" * 8, "1000000000000001"])
def test_pieces_are_joined_by_their_characters(text):
    """Repeated characters, too: they are told apart by where they stand."""
    left, right = reading(text[:10]), reading(text[6:], 6 * PITCH + 3.0)
    whole = join_pieces([left, right], [0, 6 * PITCH], 10 * PITCH)
    assert text_of(whole) == text
    assert (np.diff(whole.centres) > 0).all() and len(whole.missed) == len(text) + 1


def test_characters_that_a_piece_cuts_are_the_neighbours():
    """What is cut at the ends of pieces is read wrong there."""
    left, right = reading("abcdefghiJ"), reading("Ghijklmnop", 6 * PITCH)
    assert text_of(join_pieces([left, right], [0, 6 * PITCH], 10 * PITCH)) == "abcdefghijklmnop"


def test_without_a_character_in_common_the_middle_parts_them():
    left, right = reading("abcdefghXX"), reading("YYijklmnop", 6 * PITCH)
    assert text_of(join_pieces([left, right], [0, 6 * PITCH], 10 * PITCH)) == "abcdefghijklmnop"
    empty = reading("")
    assert seam(empty, right, 6 * PITCH, 10 * PITCH) == (0, 2)
    assert seam(left, empty, 6 * PITCH, 10 * PITCH) == (8, 0)


def test_one_piece_stays_as_it_is():
    only = reading("abc")
    assert join_pieces([only], [0], 320) is only


@pytest.mark.pretrained
@pytest.mark.parametrize("mode", ["auto", "recognition"])
def test_a_line_of_many_canvases_is_read_whole(handle, mode):
    """Canvases of 320 columns, of which this line would fill more than seven."""
    numbers = ["1000000", "5555", "bookkeeper", "119.11", "NNNN"]
    text = " ".join(f"{word} {k}{k}{k}" for k in range(1, 4) for word in numbers)
    font = ImageFont.load_default(34)
    width = int(font.getlength(text)) + 40
    strip = Image.new("RGB", (width, 60), "white")
    ImageDraw.Draw(strip).text((20, 8), text, font=font, fill="black")
    deepocr_jax.set_deep_ocr_param(handle, "detection_tiling", True)
    result = deepocr_jax.apply_deep_ocr(np.asarray(strip), handle, mode)
    found = result["word"] if mode == "recognition" else " ".join(result["words"]["word"])
    assert found == text


@pytest.mark.pretrained
def test_which_way_up_a_long_line_stands_is_told_by_its_middle(handle):
    font = ImageFont.load_default(34)
    text = (
        "the harbour master kept a list of every boat that came in before noon on a grey day " * 2
    )
    strip = Image.new("RGB", (int(font.getlength(text)) + 40, 52), "white")
    ImageDraw.Draw(strip).text((20, 4), text, font=font, fill="black")
    image = np.asarray(strip)
    height, width = image.shape[:2]
    line = Line(0, np.array([height / 2, width / 2, 0.0, width / 2, height / 2]))
    crops = [crop_seen(line, [picture]) for picture in (image, image[::-1, ::-1])]
    assert crops[0].shape == (48, 192, 3)
    upright, turned = turned_probability(crops, handle.state.nets.orientation)
    assert upright < 0.1 and turned > 0.9
