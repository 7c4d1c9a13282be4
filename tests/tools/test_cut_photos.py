"""Parts of photos that become grounds of synthetic scenes."""

import importlib.util
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import deepocr_jax

TOOL = Path(__file__).resolve().parents[2] / "tools" / "cut_photos.py"
SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"


@pytest.fixture(scope="module")
def cut_photos():
    spec = importlib.util.spec_from_file_location("cut_photos", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photo(height, width):
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, cols * 255 // width, (rows * cols) % 256], axis=-1)


def test_parts_have_the_side_asked_for_and_differ(cut_photos):
    image, rng = photo(200, 300).astype(np.uint8), random.Random(0)
    parts = [cut_photos.cut_part(image, 96, rng) for _ in range(8)]
    assert all(part.shape == (96, 96, 3) and part.dtype == np.uint8 for part in parts)
    assert len({part.tobytes() for part in parts}) == 8


def test_too_small_photos_and_flat_parts_give_nothing(cut_photos):
    rng = random.Random(0)
    assert cut_photos.cut_part(photo(60, 300).astype(np.uint8), 96, rng) is None
    assert cut_photos.cut_part(np.full((200, 200, 3), 130, np.uint8), 96, rng) is None


@pytest.mark.slow
def test_photos_with_words_are_left_out(cut_photos, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (6, 6, 3), np.uint8)
    cv2.imwrite(str(folder / "noise.png"), cv2.resize(noise, (320, 320)))
    (folder / "sample.png").write_bytes(SAMPLE.read_bytes())
    (folder / "broken.png").write_bytes(b"none")
    out = tmp_path / "photos.npy"
    arguments = [str(folder), f"--out={out}", "--side=256", "--each=2"]
    monkeypatch.setattr(sys, "argv", ["cut_photos.py", *arguments])
    cut_photos.main()
    kept = np.load(out)
    assert kept.shape[1:] == (256, 256, 3) and kept.dtype == np.uint8
    told = capsys.readouterr().out
    assert "broken.png" in told and f"{len(kept)} parts kept of" in told
    # All parts of the noise are kept, and none in which the sample's words can be read.
    assert 2 <= len(kept) <= 4
