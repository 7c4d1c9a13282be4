import math

import pytest
from labelled_folders import make_crops, make_pages, read

from deepocr_jax.errors import DatasetError
from deepocr_jax.labelling.words import (
    Word,
    sample_to_words,
    word_to_json,
    words_from_json,
    words_to_sample,
)

SIZE = (480, 640)


@pytest.fixture
def page(tmp_path):
    return read(make_pages(tmp_path, words=3))["samples"][0]


def as_json(words):
    return [word_to_json(word) for word in words]


def parse(values, before=(), size=SIZE):
    return words_from_json(values, before, size, {0})


def test_words_are_those_of_text_classes(page):
    words = sample_to_words(page, {0})
    assert [w.text for w in words] == ["p0w0", "p0w1", "p0w2"]
    assert words[1] == Word("p0w1", False, (60.0, 230.0, 0.0, 50.0, 14.0), 0, {"confidence": 0.54})
    assert words[1].confidence == 0.54


def test_a_sample_without_class_ids_has_words_only(page):
    del page["bbox_label_id"]
    words = sample_to_words(page, {0})
    assert len(words) == 4 and words[0].text == ""
    assert "bbox_label_id" not in words_to_sample(page, words, {0}, 0)


def test_back_again_keeps_everything_else(page):
    page["coco_raw_annotations"] = [{"n": i} for i in range(4)]
    page["note"] = "of mine"
    words = sample_to_words(page, {0})
    new = Word("new", True, (10.0, 20.0, 0.1, 5.0, 3.0))
    result = words_to_sample(page, [words[2], new], {0}, 0)
    assert result["bbox_row"] == [60.0, 10.0, 240.0]
    assert result["bbox_label_id"] == [0, 0, 7]
    assert result["label_custom_data"] == [
        {"text": "p0w2", "confidence": 0.58, "checked": False},
        {"text": "new", "checked": True},
        {"stamp": True},
    ]
    assert result["coco_raw_annotations"] == [{"n": 3}, {}, {"n": 0}]
    assert result["note"] == "of mine" and result["split"] == "train" and result["edited"]
    assert sample_to_words(result, {0}) == [
        words[2],
        Word("new", True, new.box, 0, {}, {"coco_raw_annotations": {}}),
    ]


def test_crops_keep_their_other_keys(tmp_path):
    sample = read(make_crops(tmp_path))["samples"][0]
    (word,) = sample_to_words(sample, {0})
    assert word == Word("alpha", custom={"confidence": 0.9})
    result = words_to_sample(sample, [Word("omega", True)], {0}, 0)
    assert result == {**sample, "word": "omega", "checked": True, "edited": True}


def test_json_and_back(page):
    words = sample_to_words(page, {0})
    assert parse(as_json(words), words) == words


def test_boxes_are_checked_unless_they_stood_there_before():
    outside = Word("w", box=(900.0, 20.0, 0.0, 5.0, 3.0))
    assert parse(as_json([outside]), [outside]) == [outside]
    with pytest.raises(DatasetError, match="centre lies in the image of 640 x 480"):
        parse(as_json([outside]))
    turned = parse(as_json([Word("w", box=(9.0, 9.0, 3 * math.pi, 5.0, 3.0))]))
    assert turned[0].box[2] == pytest.approx(math.pi)


GOOD = word_to_json(Word("w", box=(9.0, 9.0, 0.0, 5.0, 3.0)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("text", "list of at most"),
        (None, "list of at most"),
        ([1], "Expected a word"),
        ([{**GOOD, "more": 1}], "Expected a word"),
        ([{**GOOD, "text": 1}], "one line"),
        ([{**GOOD, "text": "a\nb"}], "one line"),
        ([{**GOOD, "text": "a\0"}], "one line"),
        ([{**GOOD, "text": "\ud800"}], "one line"),
        ([{**GOOD, "text": "x" * 1001}], "one line"),
        ([{**GOOD, "checked": 1}], "true or false"),
        ([{**GOOD, "label_id": 7}], "class of words"),
        ([{**GOOD, "custom": []}], "custom"),
        ([{**GOOD, "others": None}], "others"),
        ([{**GOOD, "box": None}], "five numbers"),
        ([{**GOOD, "box": [1, 2, 3, 4]}], "five numbers"),
        ([{**GOOD, "box": [1, 2, 3, 4, True]}], "five numbers"),
        ([{**GOOD, "box": [9, 9, math.nan, 5, 3]}], "centre"),
        ([{**GOOD, "box": [9, 9, 0, 0, 3]}], "half lengths"),
        ([{**GOOD, "box": [9, 9, 0, 5, 1e9]}], "half lengths"),
    ],
)
def test_what_are_no_words(value, message):
    with pytest.raises(DatasetError, match=message):
        parse(value)


def test_a_crop_stays_one_word_without_a_box():
    before = [Word("w")]
    assert parse(as_json([Word("v", True)]), before) == [Word("v", True)]
    for words in ([], [Word("v"), Word("u")], [Word("v", box=(9.0, 9.0, 0.0, 5.0, 3.0))]):
        with pytest.raises(DatasetError, match="one word|no box"):
            parse(as_json(words), before)
