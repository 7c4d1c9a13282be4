from __future__ import annotations

import itertools
import os
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from deepocr_jax import ModeError, apply_deep_ocr, read_stream
from deepocr_jax.errors import ImageFormatError, ImageReadError, ParameterValueError
from deepocr_jax.parameters import Parameters
from deepocr_jax.reader import streaming
from deepocr_jax.reader.handle import make_handle


@pytest.fixture(scope="module")
def reader(tiny_recognizer):
    return make_handle(Parameters(), None, tiny_recognizer, None)


@pytest.fixture(scope="module")
def finder(tiny_detector):
    size = Parameters(detection_image_height=128, detection_image_width=128)
    return make_handle(size, tiny_detector, None, None)


def crops(count):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(count)]


def test_results_come_in_order_with_their_sources(reader):
    images = crops(5)
    outcomes = list(read_stream(iter(images), reader))
    assert [x.index for x in outcomes] == list(range(5))
    assert all(x.source is image for x, image in zip(outcomes, images, strict=True))
    assert all(x.error is None and x.image_size == (20, 30) for x in outcomes)
    expected = apply_deep_ocr(images, reader)
    assert [x.result["word"] for x in outcomes] == [x["word"] for x in expected]


def test_image_that_cannot_be_used_has_its_error_in_place(reader, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = crops(2)
    source = [images[0], tmp_path / "broken.png", np.zeros((2, 2, 7)), b"", images[1]]
    outcomes = list(read_stream(source, reader))
    assert [type(x.error) for x in outcomes] == [
        type(None),
        ImageReadError,
        ImageFormatError,
        ImageReadError,
        type(None),
    ]
    assert [x.result is None for x in outcomes] == [False, True, True, True, False]
    assert outcomes[1].image_size == (0, 0)


def test_stream_may_be_endless(finder):
    taken = itertools.count()
    image = np.zeros((64, 64, 3), np.uint8)
    stream = read_stream((image for _ in taken), finder)
    assert [next(stream).index for _ in range(20)] == list(range(20))
    stream.close()
    assert next(taken) < 100


def test_a_result_comes_before_the_next_image(finder):
    """As a camera's, whose images come one by one."""
    image, given = np.zeros((64, 64, 3), np.uint8), threading.Semaphore(1)

    def camera():
        while given.acquire(timeout=120):
            yield image

    stream = read_stream(camera(), finder)
    for index in range(5):
        assert next(stream).index == index
        given.release()
    stream.close()


def test_what_was_given_is_not_kept(finder, monkeypatch):
    monkeypatch.setattr(streaming, "PAGES_PER_PACK", 2)
    images = []

    def source():
        while True:
            image = np.zeros((8, 8, 3), np.uint8)
            images.append(weakref.ref(image))
            yield image

    stream = read_stream(source(), finder)
    for _ in range(40):
        next(stream)
    # The pack that is being given, one that is read ahead, one that is loaded, and those at work.
    alive = sum(image() is not None for image in images)
    assert alive <= 3 * 2 + (os.cpu_count() or 1) + 2
    stream.close()


def test_error_of_the_source_loses_nothing(reader):
    def source():
        yield from crops(3)
        raise OSError("the camera is gone")

    stream = read_stream(source(), reader)
    assert [next(stream).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)


def test_empty_stream(reader):
    assert list(read_stream([], reader)) == []


def test_wrong_mode_is_told_at_once(reader):
    with pytest.raises(ModeError):
        read_stream([], reader, "detection")
    with pytest.raises(ParameterValueError):
        read_stream([], reader, "guess")


def test_packs_are_larger_where_groups_are(finder):
    state = finder.state
    detector = replace(state.nets.detector, platform="gpu")
    on_gpu = replace(state, nets=replace(state.nets, detector=detector))
    pages = [streaming._images_per_pack(x, "auto") for x in (state, on_gpu)]
    assert pages[0] < pages[1]
    words = [streaming._images_per_pack(x, "recognition") for x in (state, on_gpu)]
    assert words[0] == words[1] > pages[1]
