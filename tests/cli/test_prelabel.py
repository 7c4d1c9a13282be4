import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deepocr_jax
from deepocr_jax.cli import program
from deepocr_jax.data.faults import find_faults
from deepocr_jax.data.ocr_datasets import (
    read_dl_dataset_ocr_detection,
    read_dl_dataset_ocr_recognition,
)
from deepocr_jax.errors import ImageError
from deepocr_jax.image import read_image
from deepocr_jax.labelling.dataset_store import DatasetStore, journal_path
from deepocr_jax.labelling.words import word_to_json
from deepocr_jax.reader import deep_ocr, streaming
from deepocr_jax.reader.streaming import StreamResult
from tests.conftest import SMALL_SETTINGS

SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"


def page(texts):
    n = len(texts)
    return {
        "words": {
            "row": np.arange(n) * 5.0 + 4,
            "col": np.full(n, 12.34567),
            "phi": np.full(n, 0.1),
            "length1": np.full(n, 4.0),
            "length2": np.full(n, 2.0),
            "word": texts,
            "confidence": np.array([0.9, 0.3, 0.75])[:n],
        }
    }


class Reader:
    """Stands for the library: gives words at once, and ends in error where it is told to."""

    def __init__(self):
        self.read, self.fail_after, self.modes = [], None, []

    def stream(self, paths, handle, mode="auto"):
        self.modes.append(mode)
        for index, path in enumerate(paths):
            if self.fail_after is not None and len(self.read) >= self.fail_after:
                raise KeyboardInterrupt
            self.read.append(Path(path).name)
            try:
                image = read_image(path)
            except ImageError as error:
                yield StreamResult(index, path, None, error, (0, 0))
                continue
            result = page(["one", "two", "Łódź"])
            if mode == "recognition":
                text = "" if "blank" in path else Path(path).stem
                result = {"word": text, "confidence": 0.5}
            yield StreamResult(index, path, result, None, image.shape[:2])


@pytest.fixture
def reader(monkeypatch):
    reader = Reader()
    monkeypatch.setattr(deep_ocr, "create_deep_ocr", lambda mode="auto", **_: "handle")
    monkeypatch.setattr(streaming, "read_stream", reader.stream)
    return reader


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.jpg"):
        Image.new("RGB", (40, 30), "white").save(tmp_path / "in" / name)
    return tmp_path / "in"


def dataset_of(folder):
    return json.loads((folder / "dl_dataset.json").read_text(encoding="utf-8"))


def correct(file, image_id=1, text="corrected"):
    store = DatasetStore(file)
    image = store.image(image_id)
    words = [word_to_json(word) for word in image.words]
    words[0] |= {"text": text, "checked": True}
    store.replace(image_id, image.revision, words, (30, 40))
    store.close()


def test_whole_images(folder, reader, capsys):
    assert program.main(["prelabel", str(folder)]) == 0
    assert f"3 images read; to correct the words: deepocr label {folder}" in capsys.readouterr().err
    dataset = dataset_of(folder)
    assert dataset["image_dir"] == "." and dataset["class_names"] == ["word"]
    names = [s["image_file_name"] for s in dataset["samples"]]
    assert names == ["a.png", "b.png", "sub/c.jpg"]
    first = dataset["samples"][0]
    assert first["bbox_col"] == [12.346] * 3 and first["bbox_label_id"] == [0] * 3
    assert first["label_custom_data"][2] == {"text": "Łódź", "confidence": 0.75}
    assert sorted(p.name for p in folder.iterdir()) == ["a.png", "b.png", "dl_dataset.json", "sub"]
    words = read_dl_dataset_ocr_recognition(folder / "dl_dataset.json")
    assert find_faults(words) == [] and len(words["samples"]) == 9
    assert read_dl_dataset_ocr_detection(folder / "dl_dataset.json")[1] == []


def test_doubtful_words_can_be_left_out(folder, reader):
    assert program.main(["prelabel", str(folder), "--min-confidence", "0.5"]) == 0
    for sample in dataset_of(folder)["samples"]:
        assert [w["text"] for w in sample["label_custom_data"]] == ["one", "Łódź"]
        assert len(sample["bbox_row"]) == 2


def test_crops(folder, reader, tmp_path):
    shutil.copy(folder / "a.png", folder / "blank.png")
    out = tmp_path / "crops.json"
    assert program.main(["prelabel", str(folder), "--form", "crops", "--out", str(out)]) == 0
    assert reader.modes == ["recognition"]
    dataset = json.loads(out.read_text())
    assert [s["word"] for s in dataset["samples"]] == ["a", "b", "c"]
    assert [s["image_file_name"] for s in dataset["unlabelled_samples"]] == ["blank.png"]
    assert find_faults(read_dl_dataset_ocr_recognition(out)) == []


def test_pages_of_pdf_files_become_images(folder, reader, capsys):
    pytest.importorskip("pypdfium2")
    pages = [Image.new("RGB", (40, 30), color) for color in ("white", "black")]
    pages[0].save(folder / "sub" / "Scan.PDF", save_all=True, append_images=pages[1:])
    (folder / "broken.pdf").write_bytes(b"no PDF file")
    # Pillow writes 72 pixels an inch.
    command = ["prelabel", str(folder), "--dpi", "144"]
    assert program.main(command) == 1
    assert "broken.pdf" in capsys.readouterr().err
    names = [s["image_file_name"] for s in dataset_of(folder)["samples"]]
    assert names == ["a.png", "b.png", "sub/Scan.PDF-1.png", "sub/Scan.PDF-2.png", "sub/c.jpg"]
    drawn = [read_image(folder / "sub" / f"Scan.PDF-{n}.png") for n in (1, 2)]
    assert [d.shape for d in drawn] == [(60, 80, 3)] * 2 and drawn[0].min() > 250 > drawn[1].max()
    (folder / "broken.pdf").unlink()
    before = (folder / "sub" / "Scan.PDF-1.png").stat().st_mtime_ns
    assert program.main(command) == 0
    assert (folder / "sub" / "Scan.PDF-1.png").stat().st_mtime_ns == before
    assert not list(folder.rglob("*.draft")) and len(reader.read) == 5


def test_crops_come_from_no_pdf_files(folder, reader):
    (folder / "broken.pdf").write_bytes(b"no PDF file")
    assert program.main(["prelabel", str(folder), "--form", "crops"]) == 0


def test_an_interrupted_run_goes_on(folder, reader):
    reader.fail_after = 2
    assert program.main(["prelabel", str(folder)]) == 130
    assert not (folder / "dl_dataset.json").exists()
    assert (folder / ".dl_dataset.json.prelabel").exists()
    reader.fail_after = None
    assert program.main(["prelabel", str(folder), "--min-confidence", "0.9"]) == 2
    assert program.main(["prelabel", str(folder)]) == 0
    assert reader.read == ["a.png", "b.png", "c.jpg"]
    assert len(dataset_of(folder)["samples"]) == 3
    assert not (folder / ".dl_dataset.json.prelabel").exists()


def test_again_reads_only_what_is_new(folder, reader, capsys):
    assert program.main(["prelabel", str(folder)]) == 0
    correct(folder / "dl_dataset.json")
    shutil.copy(folder / "a.png", folder / "aa.png")
    assert program.main(["prelabel", str(folder)]) == 0
    assert reader.read[3:] == ["aa.png"]
    samples = dataset_of(folder)["samples"]
    assert [(s["image_file_name"], s["image_id"]) for s in samples] == [
        ("a.png", 1), ("aa.png", 4), ("b.png", 2), ("sub/c.jpg", 3),
    ]  # fmt: skip
    assert samples[0]["label_custom_data"][0]["text"] == "corrected"
    assert program.main(["prelabel", str(folder)]) == 0 and len(reader.read) == 4


def test_overwrite_keeps_what_a_person_did(folder, reader):
    assert program.main(["prelabel", str(folder)]) == 0
    file = folder / "dl_dataset.json"
    correct(file, 2)
    dataset = dataset_of(folder)
    # As another program labels: texts without a confidence.
    dataset["samples"][2]["label_custom_data"] = [{"text": "by hand"}] * 3
    dataset["samples"][0]["split"] = "test"
    file.write_text(json.dumps(dataset))
    assert program.main(["prelabel", str(folder), "--overwrite"]) == 0
    assert reader.read[3:] == ["a.png"]
    samples = dataset_of(folder)["samples"]
    texts = [s["label_custom_data"][0]["text"] for s in samples]
    assert texts == ["one", "corrected", "by hand"]
    assert [s["image_id"] for s in samples] == [1, 2, 3] and samples[0]["split"] == "test"


def test_broken_images_are_told_and_left_out(folder, reader, capsys):
    (folder / "broken.png").write_bytes(b"no image")
    assert program.main(["prelabel", str(folder)]) == 1
    assert "broken.png" in capsys.readouterr().err
    assert len(dataset_of(folder)["samples"]) == 3


def test_nothing_can_be_read(folder, reader, capsys):
    for name in ("a.png", "b.png", "sub/c.jpg"):
        (folder / name).write_bytes(b"no image")
    for confidence in ("0", "0.5"):  # Nothing is left of the first run, either.
        assert program.main(["prelabel", str(folder), "--min-confidence", confidence]) == 1
    assert sorted(p.name for p in folder.iterdir()) == ["a.png", "b.png", "sub"]


def test_links_that_lead_out_of_the_folder_are_left_out(folder, reader, capsys, monkeypatch):
    shutil.copy(folder / "a.png", folder.parent / "secret.png")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    monkeypatch.chdir(folder)
    assert program.main(["prelabel", "."]) == 1
    assert "left out" in capsys.readouterr().err and len(reader.read) == 3
    names = [s["image_file_name"] for s in dataset_of(folder)["samples"]]
    assert names == ["a.png", "b.png", "sub/c.jpg"]


def test_nothing_is_written_beside_corrections_or_while_it_is_labelled(folder, reader, capsys):
    assert program.main(["prelabel", str(folder)]) == 0
    file = folder / "dl_dataset.json"
    store = DatasetStore(file)
    assert program.main(["prelabel", str(folder), "--overwrite"]) == 2
    assert "Another process" in capsys.readouterr().err
    store.close()
    journal_path(file).write_text("{}\n")
    assert program.main(["prelabel", str(folder), "--overwrite"]) == 2
    assert "corrections" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["gone"], "expected a folder of images"),
        (["in", "--min-confidence", "2"], "expected 0 to 1"),
        (["in", "--out", "gone/x.json"], "there is no folder"),
        (["in", "--form", "words"], "choose from"),
        (["in/sub", "--out", "in/dl_dataset.json"], "is a dataset of"),
        (["in", "--form", "crops"], "--form images"),
    ],
)
def test_wrong_calls(folder, reader, capsys, monkeypatch, argv, expected):
    monkeypatch.chdir(folder.parent)
    assert program.main(["prelabel", "in"]) == 0
    before = (folder / "dl_dataset.json").read_bytes()
    capsys.readouterr()
    assert program.main(["prelabel", *argv]) == 2
    assert expected in capsys.readouterr().err
    assert (folder / "dl_dataset.json").read_bytes() == before


@pytest.mark.pretrained
def test_the_sample(tmp_path, sample_words):
    shutil.copy(SAMPLE, tmp_path / "sample.png")
    assert program.main(["prelabel", str(tmp_path), *SMALL_SETTINGS]) == 0
    dataset = read_dl_dataset_ocr_recognition(tmp_path / "dl_dataset.json")
    assert find_faults(dataset) == []
    words = [s["word"] for s in dataset["samples"]]
    assert sum((sample_words - Counter(words)).values()) <= 2
