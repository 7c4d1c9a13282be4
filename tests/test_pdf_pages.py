from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

import deepocr_jax
from deepocr_jax.errors import (
    ImageReadError,
    ImageSizeError,
    MissingPackageError,
    ParameterValueError,
)
from deepocr_jax.image import as_rgb
from deepocr_jax.pdf_pages import PdfPage, read_pdf

pytest.importorskip("pypdfium2")


@pytest.fixture
def pictures():
    """Two pages: 60 x 40 pixels with four colours, and 20 x 30 in gray."""
    first = np.zeros((40, 60, 3), np.uint8)
    first[:20, :30], first[:20, 30:], first[20:, :30] = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    return [first, np.full((30, 20, 3), 128, np.uint8)]


@pytest.fixture
def file(pictures, tmp_path):
    """A PDF file of these at 100 dpi."""
    path = tmp_path / "scan.pdf"
    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(path, save_all=True, append_images=images[1:], resolution=100, quality=95)
    return path


def test_pages_are_images_at_the_resolution_asked_for(file, pictures):
    pages = read_pdf(file, dpi=100)
    assert [page.name for page in pages] == [f"{file}#page=1", f"{file}#page=2"]
    for page, picture in zip(pages, pictures, strict=True):
        pixels = as_rgb(page)
        assert pixels.dtype == np.uint8 and pixels.shape == picture.shape
        rows, cols = np.array(picture.shape[:2]) // 4
        for row in (rows, -rows):
            for col in (cols, -cols):
                np.testing.assert_allclose(pixels[row, col], picture[row, col], atol=15)
    assert [as_rgb(page).shape[:2] for page in read_pdf(file, 200)] == [(80, 120), (60, 40)]
    assert as_rgb(read_pdf(file)[0]).shape[:2] == (120, 180)


def test_the_contents_of_a_file_do_as_well(file):
    pages = read_pdf(file.read_bytes(), 100)
    assert len(pages) == 2 and as_rgb(pages[1]).shape == (30, 20, 3)
    assert pages[0].name.endswith("bytes>#page=1")


def test_pages_are_drawn_by_many_threads_at_once(file, pictures):
    from concurrent.futures import ThreadPoolExecutor

    pages = read_pdf(file, 100) * 20
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(as_rgb, pages))
    assert [d.shape for d in drawn] == [p.shape for p in pictures] * 20


def test_a_page_may_not_have_too_many_pixels(file):
    page = read_pdf(file, 100, max_pixels=2000)[0]
    with pytest.raises(ImageSizeError, match="60 x 40.*limit of 2000"):
        as_rgb(page)


def test_files_that_are_none(tmp_path, file):
    with pytest.raises(ImageReadError, match="absent.pdf"):
        read_pdf(tmp_path / "absent.pdf")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 and no more")
    with pytest.raises(ImageReadError, match="broken.pdf.*whole"):
        read_pdf(broken)
    with pytest.raises(ImageReadError, match="which has 2"):
        as_rgb(PdfPage(str(file), 2))
    with pytest.raises(ParameterValueError, match="dpi"):
        read_pdf(file, dpi=0)


def test_locked_files(file):
    pikepdf = pytest.importorskip("pikepdf")
    locked = io.BytesIO()
    with pikepdf.Pdf.open(file) as pdf:
        pdf.save(locked, encryption=pikepdf.Encryption(owner="a", user="b"))
    with pytest.raises(ImageReadError, match="password"):
        read_pdf(locked.getvalue())


def test_a_missing_package_is_named(monkeypatch, file):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(MissingPackageError, match=r'pip install "deepocr_jax\[pdf\]"'):
        read_pdf(file)


def test_pages_go_where_images_go(file, tiny_handle):
    pages = read_pdf(file, 100)
    results = deepocr_jax.apply_deep_ocr(pages, tiny_handle, "detection")
    alone = deepocr_jax.apply_deep_ocr(as_rgb(pages[1]), tiny_handle, "detection")
    assert len(results) == 2
    np.testing.assert_array_equal(results[1]["image"], alone["image"])
