"""Words and long lines are read shrunk first, and in full where that is not sure."""

from dataclasses import replace

import numpy as np
import pytest

from deepocr_jax.infer import drafts as drafts_module
from deepocr_jax.infer.drafts import (
    Part,
    drafted_lines,
    mended,
    read_by_words,
    read_words,
    unsure_parts,
)
from deepocr_jax.infer.long_lines import read_crops
from deepocr_jax.infer.readings import Reading, RecognitionSettings, nearly_read
from deepocr_jax.infer.recognizer import make_groups, run_group
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
    assert reading.text == other.text and reading.candidates == other.candidates
    assert reading.confidences == other.confidences
    for name in ("starts", "stops", "spaces", "missed"):
        np.testing.assert_array_equal(getattr(reading, name), getattr(other, name))


def test_each_crop_is_read_once_that_is_sure_and_in_full_that_is_not(net, crops, monkeypatch):
    drafts, full = (read_crops(crops, x, WIDE) for x in (net.draft, net))
    certainties = sorted(x.certainty() for x in drafts[:6])
    monkeypatch.setattr(drafts_module, "SURE", (certainties[2] + certainties[3]) / 2)
    found = read_words(crops, net, WIDE)
    sure = [x.certainty() >= drafts_module.SURE for x in drafts[:6]]
    assert sure.count(True) == 3
    for reading, draft, own, is_sure in zip(found[:6], drafts, full, sure, strict=False):
        assert_same(reading, draft if is_sure else own.stripped())


@pytest.mark.parametrize(("sure", "drafted"), [(0.0, True), (1.1, False)])
def test_all_or_none_can_be_sure(net, crops, monkeypatch, sure, drafted):
    drafts, full = (read_crops(crops, x, WIDE) for x in (net.draft, net))
    monkeypatch.setattr(drafts_module, "SURE", sure)
    found = read_words(crops, net, WIDE)
    # The last ones are too narrow and too wide for a draft.
    expected = drafts[:6] if drafted else [x.stripped() for x in full[:6]]
    for reading, other in zip(found, [*expected, *full[6:]], strict=True):
        assert_same(reading, other)
    assert read_words([], net, WIDE) == []


def test_without_a_draft_all_is_read_in_full(net, crops):
    alone = replace(net, draft=None)
    words, lines = read_words(crops, alone, WIDE), read_by_words(crops, [0] * 8, alone, WIDE)
    for word, line, own in zip(words, lines, read_crops(crops, net, WIDE), strict=True):
        assert_same(word, own)
        assert_same(line, own)


@pytest.mark.parametrize("width", [90, 300])
def test_frames_cover_the_canvas(net, width):
    crop = np.full((48, width, 3), 200, np.uint8)
    (draft,), (own,) = (make_groups([crop], x, NARROW.max_width, 0) for x in (net.draft, net))
    of_draft = run_group([crop], net.draft, draft, 0).space_margins
    of_own = run_group([crop], net, own, 0).space_margins
    assert of_draft.shape[1] == {90: 8, 300: 27}[width]
    assert of_own.shape[1] == {90: 20, 300: 40}[width]


@pytest.mark.parametrize(("sure", "drafted"), [(0.0, True), (1.1, False)])
def test_lines_of_which_all_or_nothing_is_sure(net, crops, monkeypatch, sure, drafted):
    monkeypatch.setattr(drafts_module, "SURE_WORD", sure)
    monkeypatch.setattr(drafts_module, "SURE", sure)
    # A document, in which one is too narrow for a draft, and a scene of short lines.
    pages = [0] * 8 + [1] * 3
    found = read_by_words([*crops, *crops[:3]], pages, net, WIDE)
    drafts, full = (read_crops(crops, x, WIDE) for x in (net.draft, net))
    for crop, reading, draft, own in zip(crops, found, drafts, full, strict=False):
        if crop.shape[1] == 63:
            assert_same(reading, own)
        else:
            assert_same(reading, draft if drafted else own.stripped())
    for reading, own in zip(found[8:], full, strict=False):
        assert_same(reading, own)
    assert read_by_words([], [], net, WIDE) == []


@pytest.mark.parametrize(
    ("widths", "pages", "expected"),
    [
        ([239, 240, 64, 63], [0, 0, 0, 0], [1]),
        ([114, 240, 64, 63], [0, 0, 0, 0], [1]),
        ([112, 240, 64, 63], [0, 0, 0, 0], [0, 1, 2]),
        # Each page for itself, in any order.
        ([240, 100, 2000, 100, 239], [3, 0, 3, 3, 0], [0, 2, 3]),
        ([], [], []),
    ],
)
def test_lines_that_have_a_draft(widths, pages, expected):
    assert drafted_lines(widths, pages) == expected


def test_words_of_short_lines_have_to_be_surer():
    draft = reading_of("ab cd", [0.95] * 5)
    assert unsure_parts(draft, 239) == [Part(0, 5, -INF, INF)]
    assert unsure_parts(draft, 240) == []


def reading_of(text, confidences, missed=None):
    """Characters of 20 columns each."""
    starts = 20 * np.arange(len(text))
    return Reading(
        tuple(text),
        starts,
        starts + 10,
        tuple((c,) for c in text),
        tuple((c,) for c in confidences),
        np.arange(len(text), dtype=np.float32),
        np.zeros(len(text) + 1) if missed is None else np.array(missed),
    )


INF = np.inf


@pytest.mark.parametrize(
    ("text", "unsure", "expected"),
    [
        ("ab cd ef gh ij kl mn", [], []),
        # Between the middles of the spaces around it: columns 30 to 60 are what lies between
        # the end of "b" and the start of "c".
        ("ab cd ef gh ij kl mn", [3], [(3, 5, 45, 105)]),
        ("ab cd ef gh ij kl mn", [0], [(0, 2, -INF, 45)]),
        ("ab cd ef gh ij kl mn", [19], [(18, 20, 345, INF)]),
        # Neighbours are read as one, with the space between.
        ("ab cd ef gh ij kl mn", [4, 6], [(3, 8, 45, 165)]),
        ("ab cd ef gh ij kl mn", [0, 18], [(0, 2, -INF, 45), (18, 20, 345, INF)]),
        # A space does not matter: gaps are looked for in the picture, too.
        ("ab cd ef gh ij kl mn", [5], []),
        # Most of it.
        ("ab cd ef gh ij kl mn", [0, 4, 9, 15], [(0, 20, -INF, INF)]),
        ("abcdefghijklmnopqrst", [7], [(0, 20, -INF, INF)]),
        ("", [], [(0, 0, -INF, INF)]),
        ("  ", [], [(0, 2, -INF, INF)]),
    ],
)
def test_parts_that_are_read_again(text, unsure, expected):
    draft = reading_of(text, [0.5 if i in unsure else 1.0 for i in range(len(text))])
    assert unsure_parts(draft, max(240, 20 * len(text))) == [Part(*x) for x in expected]


def test_a_word_that_may_lack_a_letter_is_read_again():
    text = "ab cd ef gh ij kl mn"
    missed = np.zeros(len(text) + 1)
    missed[5] = 0.4  # After "d".
    assert unsure_parts(reading_of(text, [1.0] * 20, missed), 400) == [Part(3, 5, 45, 105)]


def test_a_draft_is_mended():
    draft = reading_of("ab cd ef", [1, 1, 1, 0.5, 1, 1, 1, 0.4])
    # As the columns around the parts were read, too: "b xyz e".
    one = reading_of("b xyz e", [0.9] * 7, np.linspace(0, 0.7, 8)).moved(20)
    two = reading_of("d EF", [0.8] * 4).moved(80)
    found = mended(draft, [Part(3, 5, 45, 105), Part(6, 8, 105, INF)], [one, two])
    assert "".join(found.text) == "ab xy EF"
    assert [c[0] for c in found.confidences] == [1, 1, 1, 0.9, 0.9, 1, 0.8, 0.8]
    assert found.starts.tolist() == [0, 20, 40, 60, 80, 100, 120, 140]
    # Of a gap at which two readings meet the one more likely to lack a character counts.
    np.testing.assert_allclose(found.missed, [0, 0, 0, 0.2, 0.3, 0.4, 0, 0, 0], atol=1e-9)
    assert_same(mended(draft, [], []), draft)


def test_parts_of_a_line_are_read_where_they_lie(net, monkeypatch):
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (48, 500, 3), np.uint8)
    part = Part(1, 2, 200.0, 300.0)
    monkeypatch.setattr(drafts_module, "unsure_parts", lambda *_: [part])
    (found,) = read_by_words([crop], [0], net, WIDE)
    (draft,) = read_crops([crop], net.draft, WIDE)
    (inner,) = read_crops([crop[:, 152:348]], net, WIDE)
    assert_same(found, mended(draft, [part], [inner.moved(152)]))


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
    nearly = nearly_read(np.array([labels]), np.array([best]), np.array([margins], np.float32))
    odds = 0.0 if expected is None else np.exp(expected)
    assert nearly.max() == pytest.approx(odds / (1 + odds))


def test_certainty_is_of_the_worst_character_and_of_the_missed_one():
    reading = reading_of("abc", [0.9, 0.8, 0.95], [0.3, 0.0, 0.1, 0.15])
    assert reading.certainty() == pytest.approx(0.7)
    assert reading.certainty(1, 3) == pytest.approx(0.8)
    assert reading.certainty(2) == pytest.approx(0.85)
    assert reading.part(2, 3).certainty() == reading.certainty(2)
    assert reading.part(1, 1).certainty() == 0


def test_what_is_missed_is_told_between_the_characters(net, crops):
    for reading in read_crops(crops, net.draft, WIDE):
        assert len(reading.missed) == len(reading.text) + 1
        assert (reading.missed >= 0).all() and (reading.missed <= 0.5).all()
        assert (np.diff(reading.starts) > 0).all() and (reading.stops > reading.starts).all()
