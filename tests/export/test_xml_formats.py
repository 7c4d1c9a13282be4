"""hOCR, ALTO and PAGE XML: against their schemas, and read back."""

from __future__ import annotations

import importlib.metadata
import io
import re
import subprocess
import sys

import numpy as np
import pytest
from handmade_results import RESULTS, page_of, words_of

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.export.formats import write_pages
from deepocr_jax.export.pages import angle_deg, box_to_bounds, box_to_polygon, is_upright

etree = pytest.importorskip("lxml.etree")

ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"
PAGE = "{http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15}"
HTML = "{http://www.w3.org/1999/xhtml}"

# ALTO's schema takes its links from another one, of which nothing is used here.
LINKS = """<schema xmlns="http://www.w3.org/2001/XMLSchema"
 targetNamespace="http://www.w3.org/1999/xlink"><attributeGroup name="simpleLink"/></schema>"""

kinds = pytest.mark.parametrize("kind", RESULTS)


class Links(etree.Resolver):
    def resolve(self, system_url, public_id, context):
        return self.resolve_string(LINKS, context) if system_url.endswith("xlink.xsd") else None


@pytest.fixture(scope="module")
def schema():
    """Schemas by their file names, out of a package that carries them as data."""

    def load(name):
        try:
            package = importlib.metadata.distribution("htrflow")
        except importlib.metadata.PackageNotFoundError:
            pytest.skip("no schemas; run: pip install --no-deps htrflow==0.2.6")
        parser = etree.XMLParser(no_network=True)
        parser.resolvers.add(Links())
        path = package.locate_file(f"htrflow/serialization/schemas/{name}")
        return etree.XMLSchema(etree.parse(str(path), parser))

    return load


def written(pages, format):
    file = io.BytesIO()
    write_pages(pages, file, format)
    return file.getvalue()


@kinds
def test_alto_is_valid(kind, schema):
    schema("alto-4-4.xsd").assertValid(etree.fromstring(written([page_of(kind)], "alto")))


@kinds
def test_page_xml_is_valid(kind, schema):
    schema("pagecontent.xsd").assertValid(etree.fromstring(written([page_of(kind)], "page")))


@kinds
def test_hocr_is_valid(kind, tmp_path):
    pytest.importorskip("future", reason="run: pip install --no-deps hocr-spec future")
    try:
        importlib.metadata.distribution("hocr-spec")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("no checker; run: pip install --no-deps hocr-spec future")
    file = tmp_path / "page.hocr"
    file.write_bytes(written([page_of(kind), page_of("upright")], "hocr"))
    code = "from hocr_spec.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(file)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Document is valid" in run.stdout, run.stdout + run.stderr
    assert "ERROR" not in run.stdout


@pytest.fixture
def polygons():
    def close(text, page, box, tolerance):
        points = np.array([[float(v) for v in p.split(",")] for p in text.split()])
        np.testing.assert_allclose(points, box_to_polygon(box, page), atol=tolerance)

    return close


@kinds
def test_alto_holds_words_places_and_candidates(kind, polygons):
    page = page_of(kind)
    root = etree.fromstring(written([page], "alto"))
    strings, words = list(root.iter(f"{ALTO}String")), words_of(page)
    assert [s.get("CONTENT") for s in strings] == [w.text for w in words]
    for string, word in zip(strings, words, strict=True):
        x0, y0, x1, y1 = box_to_bounds(word.box, page)
        place = [float(string.get(key)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
        assert place == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.02)
        shape = string.find(f"{ALTO}Shape/{ALTO}Polygon")
        assert (shape is None) == is_upright(word.box)
        if shape is not None:
            polygons(shape.get("POINTS"), page, word.box, 0.01)
        glyphs = string.findall(f"{ALTO}Glyph")
        assert "".join(g.get("CONTENT") for g in glyphs) == word.text
        assert {g.get("GC") for g in glyphs} == {"0.9"}
        assert {v.get("VC") for v in string.iter(f"{ALTO}Variant")} == {"0.1"}
    blocks = list(root.iter(f"{ALTO}TextBlock"))
    angles = [float(b.get("ROTATION", "0")) for b in blocks]
    assert angles == [angle_deg(b.box) for b in page.blocks]


@kinds
def test_page_xml_holds_words_places_and_candidates(kind, polygons):
    page = page_of(kind)
    root = etree.fromstring(written([page], "page"))
    elements, words = list(root.iter(f"{PAGE}Word")), words_of(page)
    for element, word in zip(elements, words, strict=True):
        assert element.find(f"{PAGE}TextEquiv/{PAGE}Unicode").text == word.text
        polygons(element.find(f"{PAGE}Coords").get("points"), page, word.box, 0.5)
        glyphs = element.findall(f"{PAGE}Glyph")
        first = [g.find(f"{PAGE}TextEquiv[@index='0']") for g in glyphs]
        assert "".join(e.find(f"{PAGE}Unicode").text for e in first) == word.text
        assert all(float(e.get("conf")) == 0.9 for e in first)
    regions = list(root.iter(f"{PAGE}TextRegion"))
    order = [r.get("regionRef") for r in root.iter(f"{PAGE}RegionRefIndexed")]
    assert order == [r.get("id") for r in regions]
    texts = [r.find(f"{PAGE}TextEquiv/{PAGE}Unicode").text for r in regions]
    assert texts == ["\n".join(line.text for line in b.lines) for b in page.blocks]


def properties(element):
    """The properties of a title: name -> values."""
    parts = (part.split() for part in element.get("title").split(";"))
    return {name: values for name, *values in parts}


@kinds
def test_hocr_holds_words_places_and_confidences(kind):
    page = page_of(kind)
    root = etree.fromstring(written([page], "hocr"))
    elements = [e for e in root.iter(f"{HTML}span") if e.get("class") == "ocrx_word"]
    words = words_of(page)
    assert [e.text for e in elements] == [w.text for w in words]
    for element, word in zip(elements, words, strict=True):
        found = properties(element)
        box = [int(value) for value in found["bbox"]]
        assert box == pytest.approx(box_to_bounds(word.box, page).tolist(), abs=0.5)
        assert float(found.get("textangle", ["0"])[0]) == angle_deg(word.box)
        if not is_upright(word.box):
            corners = np.array(found["poly"], float).reshape(4, 2)
            np.testing.assert_allclose(corners, box_to_polygon(word.box, page), atol=0.5)
        assert found["x_wconf"] == ["90"] and found["x_confs"] == ["90"] * len(word.text)
    rows = [e for e in root.iter(f"{HTML}span") if e.get("class") == "ocr_line"]
    texts = [" ".join("".join(row.itertext()).split()) for row in rows]
    assert texts == [" ".join(line.text.split()) for line in page.lines]


def test_names_of_images_are_escaped():
    name = 'a "b" & <c>\n\ud800.png'
    for format, pattern in (("alto", "<fileName>"), ("page", "imageFilename"), ("hocr", "image ")):
        data = written([page_of("upright", name)], format)
        etree.fromstring(data)
        assert re.search(f"{pattern}.*&amp; &lt;c&gt; \ufffd.png", data.decode("utf-8"))


@pytest.mark.parametrize("format", ["alto", "page"])
@pytest.mark.parametrize("count", [0, 2])
def test_formats_of_one_page_refuse_others(format, count):
    with pytest.raises(ParameterValueError, match=f"exactly one page, got {count}"):
        written([page_of("upright")] * count, format)
