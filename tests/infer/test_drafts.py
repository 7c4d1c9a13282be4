"""Words are read shrunk first, and in full where that is not sure."""

from dataclasses import replace

import numpy as np
import pytest

from deepocr_jax.infer import readings
from deepocr_jax.infer.readings import RecognitionSettings, likeliest_missed, read_crops, read_words
from deepocr_jax.parameters import Parameters
from deepocr_jax.reader.handle import make_handle
from tests.conftest import TINY_ALPHABET

A, B = 1, 2
NARROW, WIDE = RecognitionSettings(max_width=320), RecognitionSettings(max_width=640)


@pytest.fixture(scope="module")
def net(tiny_recognizer):
    parameters = Parameters(recognition_draft=True, recognition_alphabet=TINY_ALPHABET)
    return make_handle(parameters, None, tiny_recognizer, None).state.nets.recognizer


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    widths = (64, 160, 90, 300, 200, 320, 63, 321)
    return [rng.integers(0, 256, (48, w, 3), np.uint8) for w in widths]


def assert_same(reading, other):
    assert reading.frame_px == other.frame_px
    assert reading.text == other.text and reading.candidates == other.candidates
    assert reading.confidences == other.confidences
    np.testing.assert_array_equal(reading.runs.start, other.runs.start)
    np.testing.assert_array_equal(reading.space_margins, other.space_margins)


def test_each_crop_is_read_once_that_is_sure_and_in_full_that_is_not(net, crops, monkeypatch):
    drafts, full = (read_crops(crops, x, WIDE) for x in (net.draft, net))
    certainties = sorted(x.certainty for x in drafts[:6])
    monkeypatch.setattr(readings, "SURE", (certainties[2] + certainties[3]) / 2)
    found = read_words(crops, net, WIDE)
    assert [x.frame_px for x in found[:6]].count(12) == 3
    for reading, draft, own in zip(found[:6], drafts, full, strict=False):
        assert_same(reading, draft if draft.certainty >= readings.SURE else own)


@pytest.mark.parametrize(("sure", "frame_px"), [(0.0, 12), (1.1, 8)])
def test_all_or_none_can_be_sure(net, crops, monkeypatch, sure, frame_px):
    monkeypatch.setattr(readings, "SURE", sure)
    found = read_words(crops, net, WIDE)
    assert {x.frame_px for x in found[:6]} == {frame_px}
    # Too narrow and too wide for a draft.
    assert [x.frame_px for x in found[6:]] == [8, 8]
    assert read_words([], net, WIDE) == []


def test_without_a_draft_all_is_read_in_full(net, crops):
    alone = replace(net, draft=None)
    pairs = zip(
        read_words(crops, alone, WIDE),
        read_crops(crops, net, WIDE),
        strict=True,
    )
    for reading, own in pairs:
        assert_same(reading, own)


@pytest.mark.parametrize("width", [90, 300])
def test_frames_cover_the_canvas(net, width):
    crop = np.full((48, width, 3), 200, np.uint8)
    (draft,), (own,) = (read_crops([crop], x, NARROW) for x in (net.draft, net))
    assert len(draft.space_margins) == {90: 8, 300: 27}[width]
    assert len(own.space_margins) == {90: 20, 300: 40}[width]


@pytest.mark.parametrize(
    ("labels", "best", "margins", "expected"),
    [
        # Nothing but blanks, one of which is nearly an A.
        ([0, 0, 0], [A, A, B], [-9, -1, -9], -1),
        # The edges of an A that is read are no other A.
        ([0, A, 0], [A, A, A], [-1, 3, -0.5], None),
        # A B beside an A is one.
        ([0, A, 0], [A, A, B], [-1, 3, -2], -2),
        # An A two frames from an A is another one.
        ([A, 0, 0], [A, A, A], [3, -0.5, -4], -4),
        ([A, B], [A, B], [3, 3], None),
    ],
)
def test_characters_that_may_be_missed(labels, best, margins, expected):
    (found,) = likeliest_missed(
        np.array([labels]), np.array([best]), np.array([margins], np.float32)
    )
    odds = 0.0 if expected is None else np.exp(expected)
    assert found == pytest.approx(odds / (1 + odds))


def test_certainty_is_of_the_worst_character_and_of_the_missed_one(net, crops):
    for reading in read_crops(crops, net.draft, WIDE):
        surest = [values[0] for values in reading.confidences]
        least = min(surest) if surest else 0.0
        labels = np.where(reading.margins > 0, reading.best, 0)
        missed = likeliest_missed(labels, reading.best, reading.margins)
        assert reading.certainty == min(least, 1 - missed)
