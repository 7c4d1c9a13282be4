import shutil
import tomllib
from pathlib import Path

import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth import fonts
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII


def test_the_packages_are_those_that_the_extra_installs():
    path = Path(__file__).resolve().parents[2] / "pyproject.toml"
    extras = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installed = {text.split(">")[0] for text in extras["train"]}
    assert set(fonts.FONT_PACKAGES) <= installed
    assert {name for name in installed if name.startswith("font")} <= set(fonts.FONT_PACKAGES)


def test_fonts_of_packages_open_and_draw_ascii(font_paths):
    for path in font_paths:
        faces = fonts.font_faces(path)
        assert faces
        drawn = fonts.drawable_characters(faces[0], PRINTABLE_ASCII)
        assert set("0123456789ABCXYZ .,-/") <= drawn, path.name


def test_characters_without_a_glyph_are_left_out(font_paths):
    face = fonts.font_faces(font_paths[0])[0]
    drawn = fonts.drawable_characters(face, ["A", " ", "\u4e00", "\u200b", "\U0001f9ff", "\ue123"])
    assert drawn == {"A", " "}


def test_small_letters_drawn_as_capitals_are_left_out(font_paths):
    capitals = [path for path in font_paths if path.name.startswith("BebasNeue")]
    if not capitals:
        pytest.skip("fontpkg-bebas-neue is not installed")
    drawn = fonts.drawable_characters(fonts.font_faces(capitals[0])[0], "aAzZ1")
    assert drawn == {"A", "Z", "1"}


def test_variable_fonts_give_several_weights(font_paths):
    faces = [face for path in font_paths for face in fonts.font_faces(path)]
    names = [face.name for face in faces]
    assert len(set(names)) == len(names)
    assert all("/" not in name for name in names)


def test_given_files_and_folders_are_searched(font_paths, tmp_path):
    (tmp_path / "deep").mkdir()
    shutil.copy(font_paths[0], tmp_path / "deep" / "b.ttf")
    shutil.copy(font_paths[1], tmp_path / "a.TTF")
    (tmp_path / "readme.txt").write_text("no font")
    assert [p.name for p in fonts.find_fonts(tmp_path)] == ["a.TTF", "b.ttf"]
    assert len(fonts.find_fonts([tmp_path / "a.TTF", tmp_path])) == 2


def test_errors_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(ParameterValueError, match="check fonts"):
        fonts.find_fonts(tmp_path / "absent")
    with pytest.raises(ParameterValueError, match="pip install"):
        fonts.find_fonts(tmp_path)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(ParameterValueError, match="take it out"):
        fonts.font_faces(broken)
    monkeypatch.setattr(fonts, "FONT_PACKAGES", {"no-such-package": ""})
    with pytest.raises(ParameterValueError, match="pip install"):
        fonts.find_fonts()
