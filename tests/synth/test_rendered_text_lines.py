import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.text_lines import RenderedSource


def _digest(source: RenderedSource, index: int) -> str:
    return hashlib.sha256(source.crop(index).tobytes()).hexdigest()


def test_crops_have_the_widths_that_were_announced(font_paths):
    source = RenderedSource(200, fonts=font_paths, image_width=320)
    widths = source.widths
    assert len(source) == len(widths) == len(source.ids) == 200
    assert widths.min() >= 8 and widths.max() <= 320
    for index in range(200):
        crop = source.crop(index)
        assert crop.shape == (48, widths[index], 3) and crop.dtype == np.uint8
        assert crop.flags.c_contiguous
        assert source.word(index)


def test_nearly_all_crops_show_something(font_paths):
    source = RenderedSource(200, seed=3, fonts=font_paths)
    spread = [np.ptp(source.crop(index).astype(int).sum(axis=2)) for index in range(200)]
    assert np.mean(np.array(spread) > 100) > 0.98


def test_crops_depend_on_seed_and_index_alone(font_paths):
    source = RenderedSource(64, seed=1, fonts=font_paths)
    forward = [_digest(source, index) for index in range(64)]
    again = RenderedSource(64, seed=1, fonts=font_paths)
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda index: _digest(again, index), reversed(range(64))))
    assert threaded[::-1] == forward
    # A longer source begins with the same samples.
    assert _digest(RenderedSource(100, seed=1, fonts=font_paths), 63) == forward[63]
    other = RenderedSource(64, seed=2, fonts=font_paths)
    assert all(_digest(other, index) != forward[index] for index in range(64))
    assert source.fingerprint == again.fingerprint != other.fingerprint


def test_every_word_fits_into_its_frames(font_paths):
    source = RenderedSource(1500, fonts=font_paths, image_width=160)
    for index, width in enumerate(source.widths):
        word = source.word(index)
        repeats = sum(a == b for a, b in zip(word, word[1:], strict=False))
        assert len(word) + repeats <= max(160, width) // 8


def test_a_small_alphabet_is_kept_to(font_paths):
    source = RenderedSource(100, characters="0123456789.-", fonts=font_paths)
    assert all(set(source.word(index)) <= set("0123456789.-") for index in range(100))


def test_wrong_arguments_are_refused(font_paths):
    with pytest.raises(ParameterValueError, match="count"):
        RenderedSource(0, fonts=font_paths)
    with pytest.raises(ParameterValueError, match="image_width"):
        RenderedSource(1, fonts=font_paths, image_width=8)
    with pytest.raises(ParameterValueError, match=r"U\+E123"):
        RenderedSource(1, fonts=font_paths, characters="a\ue123")
    source = RenderedSource(3, fonts=font_paths)
    for index in (-1, 3):
        with pytest.raises(IndexError):
            source.crop(index)
