from __future__ import annotations

import base64
import pickle
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from deepocr_jax.display.result_html import MAX_ROWS, result_html
from deepocr_jax.reader.results import ShownResult

SVG = "{http://www.w3.org/2000/svg}"


def page(texts=("<b>one</b>", "two"), confidences=(0.95, 0.5)) -> dict:
    count = len(texts)
    boxes = {
        "row": np.full(count, 20.0),
        "col": np.arange(count) * 50.0 + 30,
        "phi": np.zeros(count),
        "length1": np.full(count, 20.0),
        "length2": np.full(count, 8.0),
    }
    characters = [[{"candidate": ["t", "&"], "confidence": [0.9, 0.08]}] for _ in texts]
    words = {
        **boxes,
        "word": list(texts),
        "confidence": np.array(confidences),
        "char_candidates": characters,
    }
    image = np.random.default_rng(0).integers(0, 255, (60, 120, 3)).astype(np.uint8)
    return {"image": image, "words": words, "word_boxes_on_image": boxes}


def parsed(html: str) -> ElementTree.Element:
    """The HTML, which is well-formed XML; tags without namespaces."""
    return ElementTree.fromstring(html)


def rows(root: ElementTree.Element) -> list[list[str]]:
    return [["".join(d.itertext()) for d in row] for row in root.findall(".//tbody/tr")]


def test_words_stand_in_a_table_and_on_the_picture_doubtful_ones_first():
    root = parsed(result_html(page()))
    assert rows(root) == [
        ["1", "two", "50 %", "t 90 / & 8"],
        ["0", "<b>one</b>", "95 %", "t 90 / & 8"],
    ]
    first, second = root.findall(".//polygon")
    assert first.get("stroke") != second.get("stroke")
    assert first.get("points", "").split()[0] == "10.0,12.0"
    assert "2 words, 1 doubtful" in "".join(root.itertext())
    data = (root.find(".//image").get("href") or "").split(",")[1]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (60, 120, 3)


def test_a_crop_and_regions_without_words():
    crop = {
        "image": np.zeros((48, 90, 3), np.uint8),
        "word": "",
        "confidence": 0.0,
        "char_candidates": [],
    }
    assert rows(parsed(result_html(crop))) == [["0", "(nothing)", "0 %", ""]]
    regions = page()
    regions["words"] = regions["word_boxes_on_image"]
    root = parsed(result_html(regions))
    assert "2 regions" in "".join(root.itertext()) and len(root.findall(".//polygon")) == 2


def test_long_tables_are_cut_and_say_so():
    count = MAX_ROWS + 5
    root = parsed(result_html(page(["x"] * count, [0.99] * count)))
    assert len(rows(root)) == MAX_ROWS + 1 and rows(root)[-1][1] == "and 5 more"
    assert len(root.findall(".//polygon")) == count


@pytest.mark.pretrained
def test_results_show_themselves_and_are_dictionaries(handle, sample):
    from deepocr_jax import apply_deep_ocr

    result = apply_deep_ocr(sample, handle)
    assert isinstance(result, dict) and isinstance(result, ShownResult)
    assert "DELIVERY" in result._repr_html_()
    copy = pickle.loads(pickle.dumps(result))
    assert copy["words"]["word"] == result["words"]["word"]
