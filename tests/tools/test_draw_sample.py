from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from deepocr_jax.image import read_image

_TOOL = Path(__file__).resolve().parents[2] / "tools" / "draw_sample.py"


@pytest.fixture(scope="module")
def tool():
    # Loaded by its path: "tools" is no package, and the name is taken in many environments.
    spec = importlib.util.spec_from_file_location("draw_sample", _TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shipped_sample_is_what_the_tool_draws(tool):
    drawn = tool.draw_sample()
    shipped = read_image(tool.SAMPLE_PATH)
    assert shipped.shape == (700, 1000, 3)
    drawn = np.repeat(drawn[:, :, None], 3, axis=2)
    with Image.open(tool.SAMPLE_PATH) as file:
        drawn_with = file.info[tool.FREETYPE_KEY]
    if drawn_with == features.version("freetype2"):
        np.testing.assert_array_equal(shipped, drawn)
    else:  # another release hints a few glyphs differently
        assert np.mean(shipped != drawn) < 0.001


def test_drawing_is_deterministic(tool):
    np.testing.assert_array_equal(tool.draw_sample(), tool.draw_sample())


def test_sample_is_small_and_has_ink(tool):
    assert tool.SAMPLE_PATH.stat().st_size < 100_000
    shipped = read_image(tool.SAMPLE_PATH)
    assert 0.01 < np.mean(shipped < 128) < 0.2


def test_main_writes_the_same_picture(tool, tmp_path, monkeypatch, capsys):
    target = tmp_path / "assets" / "sample.png"
    monkeypatch.setattr(tool, "SAMPLE_PATH", target)
    assert tool.main() == 0
    assert str(target) in capsys.readouterr().out
    np.testing.assert_array_equal(read_image(target)[:, :, 0], tool.draw_sample())
