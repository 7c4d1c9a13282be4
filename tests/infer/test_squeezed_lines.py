"""Long lines are read squeezed along; the pictures of their words are not."""

import numpy as np
import pytest

from deepocr_jax.infer.lines import Line, line_width
from deepocr_jax.infer.pipeline import _picture
from deepocr_jax.postprocess.words import WordSpan


def box_of(width):
    """A box as large as its crop: [row, col, phi, half length, half height]."""
    return np.array([23.5, (width - 1) / 2, 0.0, width / 2, 24.0])


@pytest.mark.parametrize(
    ("width", "read"),
    [(4, 8), (200, 200), (320, 320), (360, 320), (500, 400), (790, 632), (900, 640)],
)
def test_long_lines_are_squeezed_but_not_below_what_was_learned(width, read):
    assert line_width(box_of(width), 640) == read


@pytest.mark.pretrained
def test_pictures_of_words_keep_their_shape(sample_result):
    words = sample_result["words"]
    columns = ("word", "word_image", "length1", "length2")
    seen = 0
    for word, picture, along, down in zip(*(words[k] for k in columns), strict=True):
        if len(word) > 4:
            assert picture.shape[1] / picture.shape[0] == pytest.approx(along / down, rel=0.12)
            seen += 1
    # The small print is two long lines.
    assert seen > 20


@pytest.mark.parametrize(("start", "end", "width"), [(40, 140, 125), (10, 10, 0), (390, 450, 12)])
def test_a_picture_of_a_squeezed_line_is_stretched(start, end, width):
    line = Line(0, box_of(500), crop=np.full((48, 400, 3), 200, np.uint8))
    picture = _picture(line, WordSpan((), start, end, 8, 40))
    assert picture.shape == (32, width, 3)
