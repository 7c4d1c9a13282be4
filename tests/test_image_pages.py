"""Every page of a file is read, or a warning tells that there are more."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from deepocr_jax.errors import ImageReadError
from deepocr_jax.image import as_rgb, count_pages, image_suffixes, read_image
from deepocr_jax.image_pages import ImagePage, read_pages

SHADES = (30, 120, 210)


def tiff(path, modes=("RGB",) * 3, subfile_types=(0, 0, 0), **options):
    """A TIFF file of pages of 8 x 6 pixels in shades of gray."""
    pages = []
    for shade, mode, kind in zip(SHADES, modes, subfile_types, strict=True):
        page = Image.new("RGB", (8, 6), (shade,) * 3).convert(mode)
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[254] = kind
        page.encoderinfo = {"tiffinfo": info}
        pages.append(page)
    kinds = {"tiffinfo": pages[0].encoderinfo["tiffinfo"]}
    pages[0].save(path, "TIFF", save_all=True, append_images=pages[1:], **kinds, **options)
    return path


@pytest.fixture
def file(tmp_path):
    return tiff(tmp_path / "scan.tif")


def shade(image):
    return int(as_rgb(image)[0, 0, 0])


def test_all_pages_of_a_tiff_file_are_read(file):
    for source in (file, str(file), file.read_bytes()):
        pages = read_pages(source)
        assert [shade(page) for page in pages] == list(SHADES)
        assert count_pages(source) == 3
    assert [page.name for page in read_pages(file)] == [f"{file}#{k}" for k in (1, 2, 3)]
    assert read_pages(file.read_bytes())[1].name.endswith("bytes>#2")


def test_pages_of_faxes_are_read(tmp_path):
    path = tiff(tmp_path / "fax.tiff", modes=("1",) * 3, compression="group4")
    assert [shade(page) in (0, 255) for page in read_pages(path)] == [True] * 3


def test_the_first_page_alone_is_read_with_a_warning(file):
    with pytest.warns(UserWarning, match="scan.tif.* has 3 pages.*read_pages"):
        assert shade(read_image(file)) == SHADES[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [shade(read_image(file, page=k)) for k in range(3)] == list(SHADES)


@pytest.mark.parametrize("page", [-1, 3])
def test_a_page_that_is_not_there_is_refused(file, page):
    with pytest.raises(ImageReadError, match=f"from 0 to 2 .*scan.tif.*got {page}"):
        read_image(file, page=page)


def test_smaller_versions_and_masks_are_no_pages(tmp_path):
    path = tiff(tmp_path / "scan.tif", subfile_types=(0, 1, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert count_pages(path) == 1 and shade(read_image(path)) == SHADES[0]


def test_other_images_are_one_page(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4), "white").save(path)
    assert read_pages(path) == [ImagePage(str(path), 0)]
    (tmp_path / "b.png").write_bytes(b"no image")
    assert count_pages(tmp_path / "b.png") == 1
    with pytest.raises(ImageReadError, match="gone"):
        read_pages(tmp_path / "gone.tif")


def test_a_damaged_page_does_not_take_the_others(file):
    content = file.read_bytes()
    with Image.open(file) as image:
        image.seek(2)
        (offset,) = image.tag_v2[273][:1]
    pages = read_pages(content[:offset])
    assert shade(pages[0]) == SHADES[0] and len(pages) >= 2
    with pytest.raises(ImageReadError):
        np.asarray(pages[-1])


def test_endings_are_those_of_the_formats_that_are_read():
    found = image_suffixes()
    assert {".png", ".jpg", ".jpe", ".jfif", ".tif", ".pgm", ".ppm", ".j2k", ".webp"} <= set(found)
    assert not {".eps", ".ps", ".pdf", ".tga"} & set(found)
