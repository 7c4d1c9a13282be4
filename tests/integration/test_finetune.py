"""From a dataset's file to a reader with a model of one's own."""

import json

import pytest
from PIL import Image

import deepocr_jax
from deepocr_jax.checkpoint import write_checkpoint
from deepocr_jax.errors import DatasetError
from deepocr_jax.recipes.finetuning import FinetuneConfig, finetune
from deepocr_jax.synth.text_lines import RenderedSource
from tests.conftest import TINY_ALPHABET


@pytest.fixture(autouse=True)
def few_rendered_crops(monkeypatch):
    """A run lays out all that it may rehearse by at its start, which takes seconds."""
    monkeypatch.setattr("deepocr_jax.dl.training.RENDERED_CROPS", 500)


@pytest.fixture(scope="module")
def dataset_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "images").mkdir()
    rendered = RenderedSource(32, characters=TINY_ALPHABET, image_width=160, max_length=5)
    samples = []
    for index in range(32):
        Image.fromarray(rendered.crop(index)).save(folder / "images" / f"{index}.png")
        entry = {"image_id": index + 1, "image_file_name": f"{index}.png"}
        samples.append({**entry, "word": rendered.word(index)})
    path = folder / "dl_dataset.json"
    path.write_text(json.dumps({"image_dir": "images", "samples": samples}))
    return path


@pytest.fixture(scope="module")
def recipe(dataset_file, tiny_recognizer, tmp_path_factory):
    model = tmp_path_factory.mktemp("model") / "tiny"
    write_checkpoint(model, tiny_recognizer)
    return {
        "dataset": str(dataset_file),
        "model": str(model),
        "image_width": 160,
        "batch_size": 8,
        "num_steps": 8,
        "show_progress": False,
    }


def test_the_whole_way(recipe, tmp_path):
    report = finetune(FinetuneConfig(**recipe), tmp_path)
    assert report is not None
    assert {"test", "rendered text"} <= set(report.before) == set(report.after)
    assert report.after["test"]["count"] == 8
    for name in ("report.md", "report.json", "curve.png", "worst.png", "best/model.json"):
        assert (tmp_path / name).is_file(), name
    handle = deepocr_jax.create_deep_ocr(
        mode="recognition", recognition_model=str(tmp_path / "best"), recognition_image_width=160
    )
    crop = RenderedSource(1, characters=TINY_ALPHABET, image_width=160).crop(0)
    assert isinstance(deepocr_jax.apply_deep_ocr(crop, handle)["word"], str)
    assert deepocr_jax.get_deep_ocr_param(handle, "recognition_alphabet") == list(TINY_ALPHABET)
    again = finetune(FinetuneConfig(**recipe), tmp_path)
    assert again is not None
    assert again.after == report.after


@pytest.mark.slow
def test_only_what_is_checked_is_learned(recipe, dataset_file, tmp_path):
    dataset = json.loads(dataset_file.read_text())
    dataset["image_dir"] = str(dataset_file.parent / "images")
    for sample in dataset["samples"][:12]:
        sample["checked"] = True
    file = tmp_path / "partly.json"
    file.write_text(json.dumps(dataset))
    config = FinetuneConfig(**{**recipe, "dataset": str(file), "checked_only": True})
    report = finetune(config, tmp_path / "run")
    assert report is not None
    assert report.before["test"]["count"] == report.after["test"]["count"] == 3
    with pytest.raises(DatasetError, match="marked as checked, got none"):
        finetune(FinetuneConfig(**recipe, checked_only=True), tmp_path / "none")


def test_words_of_one_image_leave_nothing_to_test_by(recipe, dataset_file, tmp_path):
    boxes = {f"bbox_{key}": [20.0, 20.0] for key in ("row", "col", "length1", "length2")}
    sample = {"image_id": 1, "image_file_name": "0.png", **boxes, "bbox_phi": [0.0, 0.0]}
    sample |= {"bbox_label_id": [0, 0], "label_custom_data": [{"text": "A"}, {"text": "B"}]}
    classes = {"class_ids": [0], "class_names": ["word"]}
    dataset = {"image_dir": str(dataset_file.parent / "images"), **classes, "samples": [sample]}
    file = tmp_path / "one.json"
    file.write_text(json.dumps(dataset))
    with pytest.raises(DatasetError, match=r"none in 'test': the dataset has 1 image.*Add images"):
        finetune(FinetuneConfig(**{**recipe, "dataset": str(file)}), tmp_path / "run")


@pytest.mark.slow
def test_faults_stop_it_or_are_left_out(recipe, dataset_file, tmp_path, capsys):
    dataset = json.loads(dataset_file.read_text())
    dataset["image_dir"] = str(dataset_file.parent / "images")
    dataset["samples"][4]["word"] = ""
    dataset["samples"][9]["image_file_name"] = "gone.png"
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(dataset))
    config = {**recipe, "dataset": str(broken)}
    with pytest.raises(DatasetError, match=r"(?s)gone.png.*on_faults=drop"):
        finetune(FinetuneConfig(**config), tmp_path / "stopped")
    report = finetune(FinetuneConfig(**config, on_faults="drop"), tmp_path / "dropped")
    assert report is not None
    assert "gone.png" in capsys.readouterr().out
