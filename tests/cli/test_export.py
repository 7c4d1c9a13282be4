"""`deepocr read --format`, and PDF files as input, with a reader that answers at once."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

from deepocr_jax.cli import program
from deepocr_jax.errors import ImageError
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.reader import deep_ocr, streaming
from deepocr_jax.reader.streaming import StreamResult

CANDIDATES = [{"candidate": ["o", "0"], "confidence": [0.75, 0.25]}]


def result():
    texts = ["two", "words", "Łódź"]
    return {
        "words": {
            "row": np.array([8.0, 8.0, 14.0]),
            "col": np.array([6.0, 20.0, 6.0]),
            "phi": np.zeros(3),
            "length1": np.full(3, 5.0),
            "length2": np.full(3, 2.5),
            "line_index": np.array([0, 0, 1]),
            "word": texts,
            "confidence": np.full(3, 0.75),
            "char_candidates": [CANDIDATES * len(text) for text in texts],
        }
    }


@pytest.fixture
def read(monkeypatch):
    """The sources that were read, in their order."""
    seen = []

    def stream(sources, handle, mode="auto"):
        for index, source in enumerate(sources):
            seen.append(source if isinstance(source, str) else source.name)
            try:
                image = read_image(source) if isinstance(source, str) else as_rgb(source)
            except ImageError as error:
                yield StreamResult(index, source, None, error, (0, 0))
            else:
                yield StreamResult(index, source, result(), None, image.shape[:2])

    monkeypatch.setattr(deep_ocr, "create_deep_ocr", lambda mode, **_: "handle")
    monkeypatch.setattr(streaming, "read_stream", stream)
    return seen


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two images, a broken one, and a PDF file of two pages; the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    white = Image.new("RGB", (30, 20), "white")
    for name in ("a.png", "b.jpg"):
        white.save(tmp_path / "in" / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    white.save(tmp_path / "pages.pdf", save_all=True, append_images=[white], resolution=72)
    return tmp_path


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("txt", "two words\nŁódź\n"),
        ("layout", "two words\nŁódź\n"),
        ("tsv", "\tŁódź\n"),
        ("json", '"word": "Łódź"'),
        ("hocr", ">Łódź</span>"),
        ("alto", 'CONTENT="Łódź"'),
        ("page", "<Unicode>Łódź</Unicode>"),
    ],
)
def test_formats_on_the_standard_output(folder, read, capfdbinary, format, expected):
    assert program.main(["read", "in/a.png", "--format", format]) == 0
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    assert expected in out.decode("utf-8")
    assert err == b""


def test_all_images_in_one_file(folder, read):
    assert program.main(["read", "in", "--format", "json", "--output", "all.json"]) == 0
    pages = json.loads((folder / "all.json").read_text("utf-8"))["pages"]
    assert [page["image"] for page in pages] == ["in/a.png", "in/b.jpg"]


def test_a_searchable_pdf(folder, read):
    pytest.importorskip("pikepdf")
    pdfium = pytest.importorskip("pypdfium2")
    argv = ["read", "in", "pages.pdf", "--format", "pdf", "--output", "all.pdf", "--dpi", "144"]
    assert program.main(argv) == 0
    document = pdfium.PdfDocument("all.pdf")
    texts = [page.get_textpage().get_text_range().splitlines() for page in document]
    assert texts == [["two words", "Łódź"]] * 4
    # The pages of the PDF file have their size again.
    sizes = [page.get_size() for page in document]
    assert np.allclose(sizes, [[15, 10], [15, 10], [30, 20], [30, 20]])


def test_a_file_an_image_and_again_only_what_is_left(folder, read, capsys):
    argv = ["read", "in", "--format", "hocr", "--output", "out/"]
    assert program.main(argv) == 0
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["a.hocr", "b.hocr"]
    (folder / "out" / "b.hocr").unlink()
    read.clear()
    assert program.main(argv) == 0
    assert read == ["in/b.jpg"]
    assert "has 1 of 2 images already" in capsys.readouterr().err


def test_an_image_that_cannot_be_read_leaves_the_others(folder, read, capsys):
    assert program.main(["read", "broken.png", "in", "--format", "alto", "--output", "out/"]) == 1
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["a.alto.xml", "b.alto.xml"]
    assert (
        program.main(["read", "broken.png", "in/a.png", "--format", "txt", "--output", "o.txt"])
        == 1
    )
    assert (folder / "o.txt").read_text("utf-8").startswith("two words")
    assert program.main(["read", "broken.png", "--format", "page", "--output", "o.xml"]) == 1
    assert not (folder / "o.xml").exists()
    assert capsys.readouterr().err.count("broken.png") == 3


def test_no_pdf_file_without_pages(folder, read, capsys):
    pytest.importorskip("pikepdf")
    assert program.main(["read", "broken.png", "--format", "pdf", "--output", "o.pdf"]) == 1
    assert not (folder / "o.pdf").exists()
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["in", "--format", "docx"], "invalid choice: 'docx'"),
        (["in", "--format", "txt", "--json"], "exclude each other"),
        (["in", "--format", "pdf"], "--format pdf needs --output"),
        (["in", "--format", "pdf", "--mode", "detection", "--output", "o.pdf"], "needs text"),
        (["in", "--format", "alto", "--output", "o.xml"], "holds one page, but there are 2"),
        (["in", "in/../in/a.png", "--format", "txt", "--output", "o/"], "would both be written"),
        (["in", "--format", "txt", "--output", "gone/o.txt"], "cannot write gone/o.txt"),
        (["in", "--format", "txt", "--dpi", "0"], "--dpi: expected a positive number"),
        (["pages.pdf", "--dpi", "-1"], "dpi: expected a positive number"),
    ],
)
def test_wrong_calls(folder, read, capsys, argv, expected):
    if "pages.pdf" in argv:
        pytest.importorskip("pypdfium2")
    assert program.main(["read", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and expected in err and err.count("\n") == 1


def test_pages_of_pdf_files_are_images(folder, read, capsys):
    pytest.importorskip("pypdfium2")
    assert program.main(["read", "pages.pdf", "in/a.png"]) == 0
    names = ["pages.pdf#page=1", "pages.pdf#page=2", "in/a.png"]
    assert read == names
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("== ")]
    assert shown == [f"== {name}" for name in names]


def test_reading_a_pdf_file_goes_on_where_it_ended(folder, read, capsys):
    pytest.importorskip("pypdfium2")
    argv = ["read", "pages.pdf", "--output", "words.jsonl", "--dpi", "72"]
    assert program.main(argv) == 0
    lines = (folder / "words.jsonl").read_text("utf-8").splitlines()
    (folder / "words.jsonl").write_text(lines[0] + "\n", "utf-8")
    read.clear()
    assert program.main(argv) == 0
    assert read == ["pages.pdf#page=2"]
    entries = [json.loads(x) for x in (folder / "words.jsonl").read_text("utf-8").splitlines()]
    assert [(e["path"], e["width"]) for e in entries] == [
        ("pages.pdf#page=1", 30),
        ("pages.pdf#page=2", 30),
    ]


def test_a_broken_pdf_file_is_an_image_that_cannot_be_read(folder, read, capsys):
    pytest.importorskip("pypdfium2")
    (folder / "broken.pdf").write_bytes(b"no file of that kind")
    assert program.main(["read", "broken.pdf", "in/a.png"]) == 1
    out, err = capsys.readouterr()
    assert "two words" in out and "broken.pdf" in err and err.count("\n") == 2


def test_a_missing_package_is_one_line(folder, read, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    assert program.main(["read", "pages.pdf"]) == 2
    assert 'pip install "deepocr_jax[pdf]"' in capsys.readouterr().err
