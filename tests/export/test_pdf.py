"""Searchable PDF files, as PDFium and, where it is installed, poppler's pdftotext read them."""

from __future__ import annotations

import dataclasses
import html
import io
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
from handmade_results import RESULTS, STRANGE, page_of, result_of, white_image, words_of
from PIL import Image

from deepocr_jax.errors import ImageFormatError, ImageReadError, ParameterValueError
from deepocr_jax.export.formats import write_pages
from deepocr_jax.export.pages import (
    box_to_bounds,
    is_upright,
    printable,
    result_to_page,
)
from deepocr_jax.export.pdf_text import visual_order

pikepdf = pytest.importorskip("pikepdf")
pdfium = pytest.importorskip("pypdfium2")
pytest.importorskip("fontTools")

needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="pdftotext is not installed (Debian: poppler-utils)"
)

DPI = 150
SCALE = 72 / DPI
# What the brief of a searchable PDF allows: pixels at 72 dpi, which are points.
TOLERANCE_PT = 3.0


def written(pages, dpi=DPI):
    file = io.BytesIO()
    write_pages(pages, file, "pdf", dpi)
    return file.getvalue()


def with_image(page):
    return dataclasses.replace(page, image=white_image(page))


def pdf_of(kind):
    page = with_image(page_of(kind))
    return page, written([page])


def turned_columns(degrees):
    """The page of two columns, turned about the middle of a square."""
    result, (height, width) = RESULTS["columns"]()
    words, angle = dict(result["words"]), math.radians(degrees)
    down, right = words["row"] - height / 2, words["col"] - width / 2
    words["row"] = 450 + down * math.cos(angle) - right * math.sin(angle)
    words["col"] = 450 + right * math.cos(angle) + down * math.sin(angle)
    words["phi"] = words["phi"] + angle
    return with_image(result_to_page({"words": words}, (900, 900)))


def text_of(data):
    document = pdfium.PdfDocument(data)
    return [page.get_textpage().get_text_range() for page in document]


def pdftotext(tmp_path, data, *options):
    file = tmp_path / "file.pdf"
    file.write_bytes(data)
    command = ["pdftotext", "-enc", "UTF-8", *options, str(file), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("kind", ["upright", "columns", "rotated"])
def test_each_word_is_where_it_is_on_the_image(kind):
    page, data = pdf_of(kind)
    document = pdfium.PdfDocument(data)
    height = document[0].get_height()
    text = document[0].get_textpage()
    boxes = np.array([text.get_charbox(i) for i in range(text.count_chars())])
    found = [(boxes[a:b], word) for word, a, b in spans(text)]
    for word in words_of(page):
        bounds = box_to_bounds(word.box, page) * SCALE
        distances = []
        for chars, read in found:
            if read == word.text:
                left, bottom = chars[:, :2].min(axis=0)
                right, top = chars[:, 2:].max(axis=0)
                place = [left, height - top, right, height - bottom]
                distances.append(np.abs(place - bounds).max())
        assert min(distances) < TOLERANCE_PT / 3, word.text


def spans(text):
    """The words that PDFium reads: text, first and last character."""
    characters = [text.get_text_range(i, 1) for i in range(text.count_chars())]
    start = 0
    for end, character in enumerate([*characters, " "]):
        if character.isspace():
            if end > start:
                yield "".join(characters[start:end]), start, end
            start = end + 1


@needs_poppler
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pdftotext_finds_each_word_at_its_place(tmp_path, degrees):
    page = turned_columns(degrees)
    words = boxes_of_pdftotext(tmp_path, written([page]))
    expected = {word.text: box_to_bounds(word.box, page) * SCALE for word in words_of(page)}
    assert sorted(text for text, _ in words) == sorted(expected)
    for text, box in words:
        np.testing.assert_allclose(box, expected[text], atol=TOLERANCE_PT / 3, err_msg=text)


@needs_poppler
@pytest.mark.parametrize("degrees", [2, -4, 8, 20, 30, 44, 46, 94, 120, 175, -80, -135])
def test_pdftotext_finds_whole_words_of_any_direction(tmp_path, degrees):
    """It knows upright boxes only: the bounds of the words."""
    page = turned_columns(degrees)
    words = dict(boxes_of_pdftotext(tmp_path, written([page])))
    assert sorted(words) == sorted(word.text for word in words_of(page))
    for word in words_of(page):
        expected = box_to_bounds(word.box, page) * SCALE
        np.testing.assert_allclose(words[word.text], expected, atol=TOLERANCE_PT / 3)


@needs_poppler
@pytest.mark.parametrize("degrees", [5, 20, 45])
def test_pdftotext_finds_high_words_of_any_direction(tmp_path, degrees):
    """A word that is higher than long climbs by its height."""
    height = 2 * TOLERANCE_PT / SCALE / math.sin(math.radians(degrees))
    row = ("I", 200, 200, degrees, height / 10, height / 2, 0)
    page = with_image(result_to_page(result_of([row]), (400, 400)))
    ((_, box),) = boxes_of_pdftotext(tmp_path, written([page]))
    expected = box_to_bounds(words_of(page)[0].box, page) * SCALE
    np.testing.assert_allclose(box, expected, atol=TOLERANCE_PT / 2)


def boxes_of_pdftotext(tmp_path, data):
    number = r'"([\d.-]+)"'
    pattern = f"<word xMin={number} yMin={number} xMax={number} yMax={number}>(.*?)</word>"
    found = re.findall(pattern, pdftotext(tmp_path, data, "-bbox"))
    return [(html.unescape(text), np.array(box, float)) for *box, text in found]


READING_ORDER = (
    "Heading over both one two three four five six seven eight nine "
    "ten eleven twelve thirteen and more the last line"
)


@pytest.mark.parametrize("degrees", [0, 2, 30, 90, 270])
def test_copied_text_is_in_reading_order(degrees):
    (text,) = text_of(written([turned_columns(degrees)]))
    assert " ".join(text.split()) == READING_ORDER


@needs_poppler
@pytest.mark.parametrize("degrees", [0, 2, 30, 90, 180, 270])
def test_pdftotext_gives_the_reading_order(tmp_path, degrees):
    text = pdftotext(tmp_path, written([turned_columns(degrees)]), "-raw")
    assert " ".join(text.split()) == READING_ORDER


def test_lines_of_a_column_stay_lines():
    (text,) = text_of(written([turned_columns(0)]))
    assert text.splitlines() == [line.text for line in page_of("columns").lines]


@needs_poppler
def test_words_that_touch_are_two_words(tmp_path):
    rows = [("tight", 50, 60, 0, 30, 10, 0), ("words", 52, 121, 0, 30, 8, 0)]
    data = written([with_image(result_to_page(result_of(rows), (100, 200)))])
    for options in ([], ["-raw"]):
        assert pdftotext(tmp_path, data, *options).strip() == "tight words"
    assert text_of(data) == ["tight words"]


def test_strange_text_comes_out_as_it_is():
    page, data = pdf_of("strange")
    lines = [" ".join(line.split()) for line in text_of(data)[0].splitlines()]
    expected = [" ".join(printable(text).split()) for text in STRANGE]
    # A mark that follows its letter may come out as one character with it.
    assert lines[:-1] == expected[:-1] and lines[-1] in ("e\u0301", "\u00e9")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("plain", "plain"),
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("\u05d0\u05d112", "12\u05d1\u05d0"),
        ("\u05d0\u05b8\u05d1", "\u05d1\u05d0\u05b8"),
        ("12", "12"),
    ],
)
def test_visual_order(text, order):
    assert visual_order(text) == order


def test_pages_have_the_size_of_their_images_and_keep_their_order():
    pages = [with_image(page_of(kind)) for kind in ("upright", "columns", "empty")]
    document = pdfium.PdfDocument(written(pages, dpi=200))
    sizes = [page.get_size() for page in document]
    for size, page in zip(sizes, pages, strict=True):
        assert size == pytest.approx((page.width * 0.36, page.height * 0.36), abs=0.01)
    assert [t[:7] for t in text_of(written(pages))] == ["Alpha b", "Heading", ""]


def test_nothing_of_the_text_is_seen():
    page, data = pdf_of("rotated")
    drawn = pdfium.PdfDocument(data)[0].render(scale=2).to_numpy()
    assert (drawn == 255).all()


def test_the_file_is_without_faults_and_the_same_every_time():
    page, data = pdf_of("strange")
    assert data == written([page])
    with pikepdf.Pdf.open(io.BytesIO(data)) as pdf:
        assert pdf.check_pdf_syntax() == []


# --- images -------------------------------------------------------------------------------------


def jpeg_of(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.fixture
def picture():
    """Four colours, one in each quarter."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:] = (200, 0, 0), (0, 200, 0)
    pixels[20:, :30], pixels[20:, 30:] = (0, 0, 200), (200, 200, 0)
    return pixels


def test_bytes_of_jpeg_files_stay_as_they_are(picture, tmp_path):
    data = jpeg_of(picture, dpi=(200, 200))
    path = tmp_path / "scan.jpg"
    path.write_bytes(data)
    page = result_to_page(result_of([]), (40, 60), "scan.jpg", path)
    with pikepdf.Pdf.open(io.BytesIO(written([page], dpi=None))) as pdf:
        image = pdf.pages[0].Resources.XObject.Im0
        assert image.read_raw_bytes() == data
        # The resolution is the one that the file states.
        size = [float(value) for value in pdf.pages[0].MediaBox]
        assert size == pytest.approx([0, 0, 60 * 72 / 200, 40 * 72 / 200])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_jpeg_files_stand_as_they_are_read(picture, orientation):
    from deepocr_jax.image import read_image

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg_of(picture, exif=exif)
    pixels = read_image(data)
    page = result_to_page(result_of([]), pixels.shape[:2], "", data)
    drawn = pdfium.PdfDocument(written([page], dpi=72))[0].render(rev_byteorder=True).to_numpy()
    assert drawn.shape[:2] == pixels.shape[:2]
    rows, cols = np.array(pixels.shape[:2]) // 4
    for row in (rows, -rows):
        for col in (cols, -cols):
            np.testing.assert_allclose(drawn[row, col, :3], pixels[row, col], atol=12)


@pytest.mark.parametrize("gray", [False, True])
def test_other_images_become_jpeg(picture, gray):
    image = picture[:, :, 0] if gray else picture
    page = result_to_page(result_of([]), (40, 60), "", image)
    with pikepdf.Pdf.open(io.BytesIO(written([page]))) as pdf:
        held = pdf.pages[0].Resources.XObject.Im0
        assert held.ColorSpace == ("/DeviceGray" if gray else "/DeviceRGB")
        with Image.open(io.BytesIO(held.read_raw_bytes())) as decoded:
            assert decoded.size == (60, 40)


def test_wrong_images_are_refused(picture):
    empty = result_of([])
    with pytest.raises(ParameterValueError, match="has no image"):
        written([result_to_page(empty, (40, 60), "a.png")])
    with pytest.raises(ParameterValueError, match="60 x 41 pixels, got 60 x 40"):
        written([result_to_page(empty, (41, 60), "a.png", picture)])
    with pytest.raises(ParameterValueError, match="at least one page"):
        written([])
    with pytest.raises(ImageReadError, match="no image file"):
        written([result_to_page(empty, (40, 60), "a.png", "absent.png")])
    with pytest.raises(ImageFormatError):
        written([result_to_page(empty, (40, 60), "a.png", picture.astype(np.int64) - 1)])
    with pytest.raises(ParameterValueError, match="dpi"):
        written([result_to_page(empty, (40, 60), "a.png", picture)], dpi=0)


def test_missing_packages_are_named(monkeypatch, picture):
    from deepocr_jax.errors import MissingPackageError

    monkeypatch.setitem(__import__("sys").modules, "pikepdf", None)
    with pytest.raises(MissingPackageError, match=r'pikepdf; run: pip install "deepocr_jax\[pdf\]'):
        written([result_to_page(result_of([]), (40, 60), "", picture)])


def test_upright_means_turned_by_right_angles():
    angles = [is_upright(word.box) for word in words_of(page_of("rotated"))]
    assert angles == [True] * 4 + [False] * 4 + [True] * 12 + [False] * 4
