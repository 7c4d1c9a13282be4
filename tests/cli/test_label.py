import json
import signal

import pytest
from label_process import Server
from PIL import Image

from deepocr_jax.cli import program
from deepocr_jax.labelling.dataset_store import journal_path


@pytest.fixture
def file(tmp_path):
    samples = []
    for i in (1, 2):
        Image.new("RGB", (40, 30), "white").save(tmp_path / f"{i}.png")
        samples.append({"image_id": i, "image_file_name": f"{i}.png", "word": f"w{i}"})
    path = tmp_path / "dl_dataset.json"
    path.write_text(json.dumps({"image_dir": ".", "samples": samples}))
    return path


def words(file):
    return [sample["word"] for sample in json.loads(file.read_text())["samples"]]


def test_a_killed_server_loses_nothing_that_was_taken(file):
    with Server(file, "--port", "0") as server:
        server.change(1, "one")
        server.change(2, "two")
        server.stop(signal.SIGKILL)
    assert words(file) == ["w1", "w2"] and journal_path(file).exists()
    with Server(file, "--port", "0") as server:
        assert server.ask("GET", "images/2")["words"][0]["text"] == "two"
        assert words(file) == ["one", "two"]
        assert server.stop(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_server_writes_the_file(file, number):
    with Server(file.parent) as server:
        server.change(1, "one")
        status, errors = server.stop(number)
    assert status == 0 and errors == "deepocr: writing the dataset\n"
    assert words(file) == ["one", "w2"] and not journal_path(file).exists()


def test_the_usual_port_may_be_taken_but_not_one_asked_for(file, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "dl_dataset.json").write_text(file.read_text())
    third = tmp_path / "third.json"
    third.write_text(file.read_text())
    with Server(file) as server, Server(other) as second:
        port = server.address.split(":")[2].split("/")[0]
        assert program.main(["label", str(third), "--no-browser", "--port", port]) == 2
        assert f"cannot use {port}" in capsys.readouterr().err
        assert program.main(["label", str(file), "--no-browser"]) == 2
        assert "Another process" in capsys.readouterr().err
        assert server.stop(signal.SIGTERM)[0] == second.stop(signal.SIGTERM)[0] == 0


def test_wrong_calls(tmp_path, capsys):
    assert program.main(["label", str(tmp_path)]) == 2
    assert "deepocr prelabel FOLDER writes one" in capsys.readouterr().err
    (tmp_path / "dl_dataset.json").write_text("{}")
    assert program.main(["label", str(tmp_path)]) == 2
    assert "samples" in capsys.readouterr().err
    assert program.main(["label", str(tmp_path), "--port", "x"]) == 2
