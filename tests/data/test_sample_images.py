import numpy as np
import pytest
from PIL import Image
from small_datasets import make_image

from deepocr_jax.data import sample_images
from deepocr_jax.data.sample_images import image_path, image_size, word_box
from deepocr_jax.errors import DatasetError, ImageReadError
from deepocr_jax.image import read_image

FORMATS = ["png", "jpg", "tif", "webp", "bmp", "gif", "ppm", "jp2"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_is_that_of_the_pixels(suffix, orientation, tmp_path):
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    known = {"exif": exif} if suffix in ("png", "jpg", "tif", "webp") else {}
    make_image(3, 21, 47).save(path, **known)
    assert image_size(path) == read_image(path).shape[:2]


def test_most_files_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_images, "read_image", None)
    for suffix in ("png", "jpg"):
        make_image(3, 21, 47).save(tmp_path / f"a.{suffix}")
        assert image_size(tmp_path / f"a.{suffix}") == (21, 47)


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n123")
    for name in ("a.png", "b.png"):
        with pytest.raises(ImageReadError, match=name):
            image_size(tmp_path / name)


def test_boxes_without_a_word():
    box = {"bbox_row": 5, "bbox_col": 5, "bbox_phi": 0, "bbox_length1": 20.2, "bbox_length2": 0.1}
    assert word_box({"word": "a", **box}).tolist() == [5, 5, 0, 20.2, 0.1]
    assert word_box(box) is None


@pytest.mark.parametrize("value", [0, -3, np.nan, np.inf, "x", [1.0, 2.0], None])
def test_boxes_that_hold_nothing(value):
    box = {"bbox_row": 5, "bbox_col": 5, "bbox_phi": 0, "bbox_length1": 4, "bbox_length2": value}
    with pytest.raises(DatasetError, match="sample 7"):
        word_box({"word": "a", "image_id": 7, **box})


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "", None, 3, "a\0b"])
def test_names_that_leave_the_folder(name, tmp_path):
    with pytest.raises(DatasetError):
        image_path({"image_dir": str(tmp_path)}, {"image_file_name": name})


def test_links_that_leave_the_folder(tmp_path):
    (tmp_path / "images").mkdir()
    make_image(0).save(tmp_path / "a.png")
    (tmp_path / "images" / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="leads out"):
        image_path({"image_dir": str(tmp_path / "images")}, {"image_file_name": "a.png"})
