from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deepocr_jax
from deepocr_jax.cli import program, read
from deepocr_jax.errors import ImageError, UnknownParameterError, WeightsError
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.reader import deep_ocr, streaming
from deepocr_jax.reader.streaming import StreamResult
from tests.conftest import SMALL_SETTINGS

SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"
CANDIDATES = [{"candidate": ["o", "0"], "confidence": [0.75, 0.25]}]
pretrained = pytest.mark.skipif(
    importlib.util.find_spec("rapidocr") is None,
    reason="the package with the weights is not installed: pip install rapidocr",
)


def page(texts, lines):
    n = len(texts)
    return {
        "words": {
            "row": np.arange(n) * 10.0,
            "col": np.full(n, 5.0),
            "phi": np.zeros(n),
            "length1": np.full(n, 4.0),
            "length2": np.full(n, 2.0),
            "line_index": np.array(lines, np.int64),
            "word": list(texts),
            "confidence": np.full(n, 0.75),
            "char_candidates": [CANDIDATES] * n,
        }
    }


@pytest.fixture
def calls(monkeypatch):
    """Replaces the library by one that answers with words at once; records how it is called."""
    calls = []

    def create(mode="auto", **parameters):
        calls.append(("create", mode, parameters))
        return "handle"

    def apply(images, handle, mode="auto"):
        single = isinstance(images, np.ndarray)
        calls.append(("apply", mode, 1 if single else len(images)))
        if mode == "recognition":
            result = {"word": "word", "confidence": 0.5, "char_candidates": CANDIDATES}
        else:
            result = page(["two", "words", "Łódź"], [0, 0, 1])
        if mode == "detection":
            del result["words"]["word"]
        return result if single else [result for _ in images]

    def stream(paths, handle, mode="auto"):
        for index, path in enumerate(paths):
            try:
                image = read_image(path) if isinstance(path, str) else as_rgb(path)
            except ImageError as error:
                yield StreamResult(index, path, None, error, (0, 0))
            else:
                yield StreamResult(index, path, apply(image, handle, mode), None, image.shape[:2])

    monkeypatch.setattr(deep_ocr, "create_deep_ocr", create)
    monkeypatch.setattr(deep_ocr, "apply_deep_ocr", apply)
    monkeypatch.setattr(streaming, "read_stream", stream)
    monkeypatch.setattr(deep_ocr, "get_deep_ocr_param", lambda handle, name: 2**28)
    monkeypatch.setattr(deep_ocr, "warm_up_deep_ocr", lambda handle: 42, raising=False)
    return calls


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two images, one below, a broken one and what is none; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / ".hidden").mkdir()
    for name in ("a.png", "c.PNG", "sub/d.jpg", ".x.png", ".hidden/y.png"):
        Image.new("RGB", (30, 20), "white").save(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("no image either")
    return tmp_path


# --- wrong calls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["read"], "PATH"),
        (["read", "a.png", "--mode", "guess"], "choose from"),
        (["read", "gone.png"], "no such file or folder: gone.png"),
        (["read", "in/a.png", "gone*.png"], "no such file or folder: gone*.png"),
        (["read", "notes.txt/.."], "no such file or folder"),
        (["read", "empty"], "no images in empty"),
        (["read", "in", "--set", "detection_tiling"], "expected name=value"),
        (["read", "in", "--set", "=1"], "expected name=value"),
        (["draw", "in/a.png"], "--out"),
        (["draw", "gone.png", "--out", "o.png"], "no such file: gone.png"),
        (["draw", "in/a.png", "--out", "o.jpg"], "ends in .png"),
        (["draw", "in/a.png", "--out", "gone/o.png"], "no folder gone"),
        (["draw", "in/a.png", "--out", "in/sub/../a.png"], "is the image itself"),
        (["draw", "in/a.png", "--out", "link.png"], "is the image itself"),
    ],
)
def test_wrong_call_is_one_line_and_status_2(folder, calls, capsys, argv, expected):
    (folder / "empty").mkdir()
    (folder / "link.png").symlink_to(folder / "in" / "a.png")
    assert program.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("deepocr: ")
    assert expected in err
    assert err.count("\n") == 1
    assert calls == []


@pytest.mark.parametrize(
    "command", [["read", "in"], ["warmup"], ["draw", "in/a.png", "--out", "o.png"]]
)
@pytest.mark.parametrize(
    "error",
    [
        UnknownParameterError("detection_tilng", ["detection_tiling"]),
        WeightsError('run: pip install "deepocr_jax[pretrained]"'),
        PermissionError(13, "Permission denied", "cache"),
    ],
)
def test_handle_that_cannot_be_made_is_one_line(folder, calls, monkeypatch, capsys, command, error):
    def create(mode, **parameters):
        raise error

    monkeypatch.setattr(deep_ocr, "create_deep_ocr", create)
    assert program.main(command) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(error) in err


def test_unknown_parameter_of_the_library_comes_through(folder, capsys):
    argv = ["read", "in", "--mode", "detection", "--set", "detection_min_pixel=1"]
    if importlib.util.find_spec("rapidocr") is None:
        pytest.skip("the package with the weights is not installed")
    assert program.main(argv) == 2
    assert "Did you mean 'detection_min_pixel_score'?" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["read", "--help"], ["--version"]])
def test_help_and_version(capsys, argv):
    with pytest.raises(SystemExit) as stop:
        program.main(argv)
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert (deepocr_jax.__version__ if argv == ["--version"] else "usage: deepocr") in out


@pytest.mark.parametrize(
    ("argv", "status", "told"),
    [
        (["sample"], 0, ("sample.png\n", "")),
        (["read"], 2, ("", "deepocr read --help\n")),
        (["--version"], 0, (f"deepocr {deepocr_jax.__version__}\n", "")),
    ],
)
def test_the_process_ends_with_its_status_and_all_of_its_output(argv, status, told):
    call = [sys.executable, "-m", "deepocr_jax", *argv]
    found = subprocess.run(call, capture_output=True, text=True)
    assert found.returncode == status
    assert found.stdout.endswith(told[0]) and found.stderr.endswith(told[1])
    assert bool(found.stdout) != bool(found.stderr)


# --- which images -------------------------------------------------------------------------------


def test_folder_gives_the_images_below_it_in_order(folder):
    expected = ["in/a.png", "in/b.png", "in/c.PNG", "in/sub/d.jpg"]
    assert read.find_images(["in"]) == expected


def test_what_is_passed_over_in_a_folder_is_named(folder, capsys):
    (folder / "in" / "notes.txt").touch()
    read.find_images(["in"])
    told = "deepocr: passed over what is no image in a folder, 1 in all: in/notes.txt\n"
    assert capsys.readouterr().err == told
    for number in range(9):
        (folder / "in" / f"{number}.doc").touch()
    read.find_images(["in", "in/*.png"])
    told = ", ".join(f"in/{n}.doc" for n in range(5))
    assert capsys.readouterr().err.endswith(f"10 in all: {told}, ...\n")
    read.find_images(["in"], (".txt", ".doc"))
    assert capsys.readouterr().err == ""


def test_folders_give_every_format_that_a_file_may_have(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ["a.jfif", "b.jpe", "c.pgm", "d.ppm", "e.j2k", "f.avif", "g.PDF"]
    for name in names:
        (tmp_path / name).touch()
    assert read.find_images(["."]) == [f"./{name}" for name in names]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert read.find_images(["."]) == [f"./{name}" for name in names[:-1]]
    assert "1 in all: ./g.PDF\ndeepocr: PDF files are read once" in capsys.readouterr().err


def test_every_page_of_a_tiff_file_is_an_image(folder, calls, capsys):
    pages = [Image.new("RGB", (30, 20), c) for c in ("white", "gray")]
    pages[0].save(folder / "in" / "sub" / "e.tif", save_all=True, append_images=pages[1:])
    assert program.main(["read", "in/sub", "--json"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["path"] for e in entries] == ["in/sub/d.jpg", "in/sub/e.tif#1", "in/sub/e.tif#2"]


def test_file_is_taken_whatever_its_ending(folder):
    assert read.find_images(["notes.txt"]) == ["notes.txt"]


def test_globs_are_expanded_and_nothing_is_taken_twice(folder):
    assert read.find_images(["in/c*", "in/?.png", "in/a.png", "in/s*"]) == [
        "in/c.PNG",
        "in/a.png",
        "in/b.png",
        "in/sub/d.jpg",
    ]
    assert read.find_images(["**/*.jpg"]) == ["in/sub/d.jpg"]


def test_name_with_brackets_is_a_name(folder):
    (folder / "scan[1].png").write_bytes(b"")
    assert read.find_images(["scan[1].png"]) == ["scan[1].png"]


# --- read ---------------------------------------------------------------------------------------


def test_text_of_one_image_has_no_header(folder, calls, capsys):
    assert program.main(["read", "in/a.png"]) == 0
    assert capsys.readouterr() == ("two words\nŁódź\n", "")


def test_broken_image_is_told_and_the_others_are_read(folder, calls, capsys):
    assert program.main(["read", "in"]) == 1
    out, err = capsys.readouterr()
    text = "two words\nŁódź\n"
    assert out == f"== in/a.png\n{text}== in/c.PNG\n{text}== in/sub/d.jpg\n{text}"
    assert "'in/b.png'" in err
    assert err.count("\n") == 2 and err.endswith("\ndeepocr: 1 of 4 images could not be read\n")


def test_json_lines(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "in/b.png", "--json"]) == 1
    out, err = capsys.readouterr()
    good, bad = map(json.loads, out.splitlines())
    assert (good["path"], good["width"], good["height"]) == ("in/a.png", 30, 20)
    assert [w["word"] for w in good["words"]] == ["two", "words", "Łódź"]
    assert good["words"][2] == {
        "row": 20.0,
        "col": 5.0,
        "phi": 0.0,
        "length1": 4.0,
        "length2": 2.0,
        "line_index": 1,
        "word": "Łódź",
        "confidence": 0.75,
        "char_candidates": CANDIDATES,
    }
    assert bad["path"] == "in/b.png"
    assert err == f"deepocr: {bad['error']}\ndeepocr: 1 of 2 images could not be read\n"


def test_detection_prints_boxes(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "--mode", "detection"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "10.000\t5.000\t0.000000\t4.000\t2.000"
    assert program.main(["read", "in/a.png", "--mode", "detection", "--json"]) == 0
    words = json.loads(capsys.readouterr().out)["words"]
    assert len(words) == 3
    assert "word" not in words[0]


def test_recognition(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "--mode", "recognition"]) == 0
    assert capsys.readouterr().out == "word\n"
    assert program.main(["read", "in/a.png", "--mode", "recognition", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry == {
        "path": "in/a.png",
        "width": 30,
        "height": 20,
        "word": "word",
        "confidence": 0.5,
        "char_candidates": CANDIDATES,
    }


def test_parameters_and_mode_reach_the_library(folder, calls):
    argv = ["read", "in/a.png", "--mode", "recognition", "--set", "recognition_alphabet=a=b"]
    assert program.main([*argv, "--set", "device=cpu"]) == 0
    parameters = {"recognition_alphabet": "a=b", "device": "cpu"}
    assert calls == [("create", "recognition", parameters), ("apply", "recognition", 1)]


def test_output_file_is_added_to(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "in/b.png", "--output", "o.jsonl"]) == 1
    assert capsys.readouterr().out == ""
    assert program.main(["read", "in", "--output", "o.jsonl"]) == 1
    out, err = capsys.readouterr()
    told = "o.jsonl has 2 of 4 images already", "1 of 4 images could not be read"
    assert out == "" and err == "".join(f"deepocr: {line}\n" for line in told)
    lines = [json.loads(x) for x in (folder / "o.jsonl").read_text("utf-8").splitlines()]
    assert [x["path"] for x in lines] == ["in/a.png", "in/b.png", "in/c.PNG", "in/sub/d.jpg"]
    assert [("error" in x) for x in lines] == [False, True, False, False]
    calls.clear()
    assert program.main(["read", "in", "--output", "o.jsonl"]) == 1
    assert calls == []


def test_line_that_was_cut_off_is_written_anew(folder, calls):
    assert program.main(["read", "in/a.png", "in/c.PNG", "--output", "o.jsonl"]) == 0
    whole = (folder / "o.jsonl").read_bytes()
    (folder / "o.jsonl").write_bytes(whole[:-20])
    calls.clear()
    assert program.main(["read", "in/a.png", "in/c.PNG", "--output", "o.jsonl"]) == 0
    assert (folder / "o.jsonl").read_bytes() == whole
    assert [c[0] for c in calls] == ["create", "apply"]


@pytest.mark.parametrize("content", [b"shopping list\n", b'{"a": 1}\n', b"[]\n", b"\xff\n"])
def test_file_of_others_is_not_added_to(folder, calls, capsys, content):
    (folder / "o.jsonl").write_bytes(content)
    assert program.main(["read", "in/a.png", "--output", "o.jsonl"]) == 2
    assert "line 1 of o.jsonl is not of `deepocr read`" in capsys.readouterr().err
    assert (folder / "o.jsonl").read_bytes() == content
    assert calls == []


def test_output_that_cannot_be_written(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "--output", "gone/o.jsonl"]) == 2
    assert "--output: cannot write gone/o.jsonl" in capsys.readouterr().err


def test_all_broken(folder, calls, capsys):
    assert program.main(["read", "in/b.png", "notes.txt"]) == 1
    assert capsys.readouterr().out == ""
    assert [c[0] for c in calls] == ["create"]


# --- streams ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_for_several_images(folder, calls, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert program.main(["read", "in/a.png"]) == 0
    assert sys.stderr.getvalue() == ""
    assert program.main(["read", "in/a.png", "in/c.PNG"]) == 0
    assert "0/2" in sys.stderr.getvalue()


def test_no_progress_without_a_terminal(folder, calls, capsys):
    assert program.main(["read", "in/a.png", "in/c.PNG"]) == 0
    assert capsys.readouterr().err == ""


def test_output_that_is_not_utf8_is_escaped(folder, calls, monkeypatch):
    for as_json, expected in (([], b"\\u0141\\xf3d\\u017a"), (["--json"], b"\\u0141\\u00f3d")):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
        assert program.main(["read", "in/a.png", *as_json]) == 0
        assert expected in raw.getvalue()
        if as_json:
            assert json.loads(raw.getvalue())["words"][2]["word"] == "Łódź"


class Failing(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_end_of_the_output_ends_the_run(folder, calls, monkeypatch, capsys, error, status, message):
    monkeypatch.setattr(sys, "stdout", Failing(error))
    assert program.main(["read", "in/a.png"]) == status
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == bool(message)


def test_warnings_are_plain_lines(folder, calls, monkeypatch, capsys):
    def warm_up(handle):
        warnings.warn("the recognizer has 1 new character", stacklevel=2)
        return 3

    monkeypatch.setattr(deep_ocr, "warm_up_deep_ocr", warm_up, raising=False)
    # Neither pytest's own record of warnings nor its turning them into errors is wanted here.
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show_warning
        before = warnings.formatwarning
        assert program.main(["warmup"]) == 0
    assert warnings.formatwarning is before
    err = capsys.readouterr().err
    assert err.endswith("\ndeepocr: warning: the recognizer has 1 new character\n")


def show_warning(message, category, filename, lineno, file=None, line=None):
    text = warnings.formatwarning(message, category, filename, lineno, line)
    print(text, end="", file=sys.stderr)


# --- the other commands -------------------------------------------------------------------------


def test_draw_writes_a_picture_of_the_same_size(folder, calls, capsys):
    assert program.main(["draw", "in/a.png", "--out", "in/sub/o.png", "--set", "device=cpu"]) == 0
    assert capsys.readouterr() == ("", "")
    assert calls[0] == ("create", "auto", {"device": "cpu"})
    with Image.open("in/sub/o.png") as drawn:
        assert drawn.size == (30, 20)
        assert drawn.convert("L").getextrema()[0] < 255


def test_draw_of_a_broken_image(folder, calls, capsys):
    assert program.main(["draw", "in/b.png", "--out", "o.png"]) == 1
    assert "'in/b.png'" in capsys.readouterr().err
    assert not (folder / "o.png").exists()


def test_warmup_tells_how_many_programs(calls, monkeypatch, capsys):
    monkeypatch.setenv("DEEPOCR_CACHE", "kept here")
    assert program.main(["warmup", "--mode", "recognition", "--set", "device=cpu"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("42 programs ready in ")
    assert "kept here" in out
    assert calls == [("create", "recognition", {"device": "cpu"})]


def test_sample_prints_a_path_that_exists(capsys):
    assert program.main(["sample"]) == 0
    assert Path(capsys.readouterr().out.rstrip("\n")) == SAMPLE
    assert SAMPLE.is_file()


@pretrained
@pytest.mark.pretrained
def test_the_sample_is_read_end_to_end(tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(SAMPLE.read_bytes()[:4000])
    # .ci/run reads the sample with the defaults.
    assert program.main(["read", str(broken), str(SAMPLE), *SMALL_SETTINGS]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f"== {SAMPLE}"
    assert lines[1].startswith("DELIVERY NOTE")
    assert any("Steel bracket" in line and "33.00" in line for line in lines)
    assert "truncated" in err
    assert err.count("\n") == 2 and "1 of 2 images could not be read" in err
