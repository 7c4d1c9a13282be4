from __future__ import annotations

import csv
import importlib.resources
import io
import json

import numpy as np
import pytest
from handmade_results import RESULTS, page_of, words_of

from deepocr_jax.export.formats import write_pages
from deepocr_jax.export.pages import BOX_KEYS, box_to_bounds
from deepocr_jax.export.text import page_to_layout, page_to_text

jsonschema = pytest.importorskip("jsonschema")


def written(pages, format):
    file = io.BytesIO()
    write_pages(pages, file, format)
    return file.getvalue().decode("utf-8")


def test_text_has_a_row_a_line_and_an_empty_row_between_blocks():
    assert page_to_text(page_of("columns")) == (
        "Heading over both\n\none two three\nfour five six\nseven eight nine\n\n"
        "ten eleven twelve\nthirteen and more\nthe last line\n"
    )


def test_layout_keeps_columns_side_by_side():
    rows = page_to_layout(page_of("columns")).splitlines()
    filled = [row for row in rows if row]
    assert [row.split() for row in filled[1:]] == [
        ["one", "two", "three", "ten", "eleven", "twelve"],
        ["four", "five", "six", "thirteen", "and", "more"],
        ["seven", "eight", "nine", "the", "last", "line"],
    ]
    starts = [row.index(word) for row, word in zip(filled[1:], ["ten", "thir", "the"], strict=True)]
    # 380 pixels from column to column, 12 a letter.
    assert starts == [pytest.approx(380 / 12, abs=1)] * 3
    assert filled[0].index("Heading") == pytest.approx(160 / 12, abs=1)


def test_layout_turns_the_page_upright_and_leaves_a_gap_a_gap():
    rows = page_to_layout(page_of("upright")).splitlines()
    assert rows[:2] == ["Alpha beta gamma", "delta 12,50 end."]
    assert rows[-1] == "far below" and set(rows[2:-1]) == {""}


def test_lines_of_other_directions_come_after_those_of_most_text():
    rows = page_to_layout(page_of("rotated")).splitlines()
    assert [row.strip() for row in rows if row] == [
        f"turned by {degrees} degrees" for degrees in (0, 3, 30, 90, 180, -90)
    ]


def test_pages_of_text_are_parted_by_form_feeds():
    pages = [page_of("upright"), page_of("columns")]
    for format in ("txt", "layout"):
        first, second = written(pages, format).split("\f")
        assert first.startswith("Alpha beta") and "Heading" in second


@pytest.mark.parametrize("kind", RESULTS)
def test_json_follows_its_schema_and_holds_the_result(kind):
    file = importlib.resources.files("deepocr_jax.export") / "page_schema.json"
    schema = json.loads(file.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    page = page_of(kind)
    document = json.loads(written([page, page], "json"))
    jsonschema.Draft202012Validator(schema).validate(document)

    assert document["pages"][0] == document["pages"][1]
    entry = document["pages"][0]
    assert (entry["width"], entry["height"]) == (page.width, page.height)
    words = words_of(page)
    assert [w["word"] for w in entry["words"]] == [w.text for w in words]
    boxes = np.array([[w[key] for key in BOX_KEYS] for w in entry["words"]]).reshape(-1, 5)
    expected = np.array([w.box for w in words]).reshape(-1, 5)
    np.testing.assert_allclose(boxes, expected, atol=1e-3)
    numbers = [w["line_index"] for w in entry["words"]]
    assert numbers == [n for n, line in enumerate(page.lines) for _ in line.words]


def test_the_schema_refuses_what_is_none():
    file = importlib.resources.files("deepocr_jax.export") / "page_schema.json"
    schema = json.loads(file.read_text("utf-8"))
    document = json.loads(written([page_of("upright")], "json"))
    document["pages"][0]["words"][0]["confidence"] = 1.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("kind", RESULTS)
def test_tsv_has_a_row_a_word(kind):
    page = page_of(kind)
    lines = io.StringIO(written([page], "tsv"), newline="")
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    words = words_of(page)
    assert [row["text"] for row in rows] == [word.text for word in words]
    for row, word in zip(rows, words, strict=True):
        x0, y0, x1, y1 = box_to_bounds(word.box, page)
        place = [float(row[key]) for key in ("left", "top", "width", "height")]
        assert place == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.01)
        assert float(row["phi"]) == pytest.approx(word.box[2], abs=1e-6)
    assert [int(row["line"]) for row in rows] == [
        n for n, line in enumerate(page.lines, 1) for _ in line.words
    ]
