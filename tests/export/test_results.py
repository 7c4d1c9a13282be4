from __future__ import annotations

import json
import re

import numpy as np
import pytest
from handmade_results import RESULTS, page_of, white_image
from PIL import Image

import deepocr_jax
from deepocr_jax.cli.export import FORMAT_NAMES
from deepocr_jax.errors import ImageReadError, ParameterValueError
from deepocr_jax.export.formats import FORMATS, format_of_file
from deepocr_jax.export.results import file_in_folder, is_folder, write_file

TEXT_FORMATS = [name for name in FORMATS if name != "pdf"]
export = deepocr_jax.export_deep_ocr_results


@pytest.fixture
def scan(tmp_path):
    """The image of the upright page as a file, and its result."""
    path = tmp_path / "in" / "scan.png"
    path.parent.mkdir()
    Image.fromarray(white_image(page_of("upright"))).save(path)
    return path, RESULTS["upright"]()[0]


@pytest.mark.parametrize("format", FORMATS)
def test_one_result_into_one_file(format, scan, tmp_path):
    if format == "pdf":
        pytest.importorskip("pikepdf")
    image, result = scan
    path = tmp_path / f"out{FORMATS[format].suffix}"
    assert export(result, image, path) == [str(path)]
    assert path.stat().st_size > 0
    if format != "pdf":
        assert re.search(r"Alpha.*\bbelow\b", path.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("format", FORMATS)
def test_many_results_into_a_folder(format, scan, tmp_path):
    if format == "pdf":
        pytest.importorskip("pikepdf")
    image, result = scan
    pixels = np.asarray(Image.open(image))
    written = export([result] * 2, [image, pixels], f"{tmp_path / 'new'}/", format)
    suffix = FORMATS[format].suffix
    assert written == [str(tmp_path / "new" / f"{name}{suffix}") for name in ("scan", "image_2")]
    assert {p.name for p in (tmp_path / "new").iterdir()} == {
        f"{n}{suffix}" for n in ("scan", "image_2")
    }


def test_names_and_sizes_may_be_given(tmp_path):
    result, size = RESULTS["columns"]()
    path = tmp_path / "all.json"
    export([result, result], [size, size], path, image_names=["a", "b"])
    pages = json.loads(path.read_text("utf-8"))["pages"]
    assert [(p["image"], p["height"], p["width"]) for p in pages] == [("a", *size), ("b", *size)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": []}, "1th has no image"),
        ({"images": [(400, 600)] * 2}, "2th has no result"),
        ({"image_names": []}, "1th has no name"),
        ({"format": "docx"}, "format: expected one of txt, .*'docx'"),
        ({"path": "out.docx"}, "ends in one of .txt"),
        ({"path": "folder/"}, "format: expected one, as 'folder/' is a folder"),
        ({"format": "pdf"}, "has no image"),
    ],
)
def test_wrong_calls(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments.get("format") == "pdf":
        pytest.importorskip("pikepdf")
    call = {"images": [(400, 600)], "path": "out.txt", **arguments}
    with pytest.raises(ParameterValueError, match=message):
        export([RESULTS["upright"]()[0]], **call)
    assert list(tmp_path.iterdir()) == []


def test_two_images_of_one_name_are_refused(tmp_path):
    result, size = RESULTS["upright"]()
    with pytest.raises(ParameterValueError, match=r"'a/x.png' and 'b/x.jpg'.*pass image_names"):
        export([result] * 2, [size] * 2, tmp_path, "txt", ["a/x.png", "b/x.jpg"])


def test_an_image_that_is_gone_is_an_image_error(tmp_path):
    with pytest.raises(ImageReadError, match="absent.png"):
        export(RESULTS["upright"]()[0], "absent.png", tmp_path / "out.txt")


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path):
    def pages():
        yield page_of("upright")
        raise RuntimeError("in the middle")

    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="in the middle"):
        write_file(str(path), pages(), "txt", None)
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "before"


@pytest.mark.parametrize("format", FORMATS)
def test_the_name_of_a_file_tells_its_format(format):
    name = file_in_folder("out", "in/scan.png", format)
    assert format_of_file(name) == format
    assert format_of_file(name.upper()) == format


def test_files_are_called_after_images_and_pages():
    assert file_in_folder("out", "in/a.b.png", "hocr") == "out/a.b.hocr"
    assert file_in_folder("out", "in/c.PDF#page=12", "alto") == "out/c-12.alto.xml"


def test_what_is_a_folder(tmp_path):
    assert is_folder(str(tmp_path)) and is_folder("new/") and not is_folder("new")


def test_the_command_line_knows_all_formats():
    assert tuple(FORMATS) == FORMAT_NAMES


@pytest.mark.pretrained
def test_what_was_read_from_an_image_is_found_in_its_searchable_pdf(
    sample, sample_result, sample_words, tmp_path
):
    """The whole way: an image is read, made a searchable PDF, and its text is copied out of it."""
    pytest.importorskip("pikepdf")
    pdfium = pytest.importorskip("pypdfium2")
    path = tmp_path / "sample.pdf"
    export(sample_result, sample, path, dpi=200)
    page = pdfium.PdfDocument(path)[0]
    text = page.get_textpage().get_text_range()
    read = sample_result["words"]["word"]
    assert text.split() == list(read)
    found = sample_words & type(sample_words)(text.split())
    assert found.total() > 0.9 * sample_words.total()
    drawn = page.render(scale=200 / 72, rev_byteorder=True).to_numpy()[:, :, :3]
    assert np.abs(drawn.astype(int) - sample).mean() < 4
