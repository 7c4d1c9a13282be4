from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import deepocr_jax
from deepocr_jax.checkpoint import read_checkpoint, variables_sha256
from deepocr_jax.dl.model import DLModel
from deepocr_jax.dl.train_param import create_dl_train_param
from deepocr_jax.dl.training import train_dl_model, train_dl_model_batch
from deepocr_jax.errors import DatasetError, ModelFileError, ParameterValueError
from deepocr_jax.synth.text_lines import RenderedSource
from tests.conftest import TINY_ALPHABET

QUIET = {"enable_display": False, "warmup_share": 0.0, "average_decay": 0.0}
WIDTH = 160


@pytest.fixture(scope="module")
def rendered():
    return RenderedSource(40, characters=TINY_ALPHABET, image_width=WIDTH, max_length=6)


@pytest.fixture(scope="module")
def dataset(rendered, tmp_path_factory):
    """24 rendered crops to learn, 8 to judge by, 8 to test."""
    folder = tmp_path_factory.mktemp("crops")
    splits = ["train"] * 24 + ["validation"] * 8 + ["test"] * 8
    samples = []
    for index, split in enumerate(splits):
        Image.fromarray(rendered.crop(index)).save(folder / f"{index}.png")
        entry = {"image_id": index, "image_file_name": f"{index}.png"}
        samples.append({**entry, "word": rendered.word(index), "split": split})
    return {"image_dir": str(folder), "samples": samples}


@pytest.fixture
def model(tiny_recognizer):
    model = DLModel(tiny_recognizer)
    for name, value in {"batch_size": 8, "image_width": WIDTH, "learning_rate": 1e-3}.items():
        deepocr_jax.set_dl_model_param(model, name, value)
    return model


def parameters(model):
    return variables_sha256(model.checkpoint.variables)


def test_a_run_tells_what_happened_and_the_model_has_learned(dataset, model, tmp_path):
    before = parameters(model)
    param = create_dl_train_param(3, workdir=tmp_path, serialize=("best", "final"), **QUIET)
    outcome = train_dl_model(dataset, model, param)
    assert outcome.finished
    assert [info["epoch"] for info in outcome.train_infos] == [1, 2, 3]
    assert [info["epoch"] for info in outcome.evaluation_infos] == [1, 2, 3]
    assert all(info["count"] == 8 for info in outcome.evaluation_infos)
    losses = [info["mean_loss"] for info in outcome.train_infos]
    assert losses[-1] < losses[0]
    assert parameters(model) != before
    best = read_checkpoint(tmp_path / "best")
    assert variables_sha256(best.variables) == parameters(model)
    assert best.source.endswith("retrained")
    assert any((tmp_path / "tensorboard").iterdir())


def test_threads_and_tf_data_give_the_same_parameters(dataset, tiny_recognizer, model):
    pytest.importorskip("tensorflow")
    found = []
    for pipeline in ("threads", "tf.data"):
        again = DLModel(tiny_recognizer, model.training)
        train_dl_model(dataset, again, create_dl_train_param(1, pipeline=pipeline, **QUIET))
        found.append(parameters(again))
    assert found[0] == found[1]


def test_a_folder_with_a_run_is_not_overwritten_by_mistake(dataset, model, tmp_path):
    param = create_dl_train_param(1, workdir=tmp_path, **QUIET)
    train_dl_model(dataset, model, param)
    with pytest.raises(ModelFileError, match="resume"):
        train_dl_model(dataset, model, param)
    with pytest.raises(ModelFileError, match="another"):  # The model is not the beginning's.
        train_dl_model(dataset, model, param, start_epoch="resume")


def test_a_finished_run_resumed_gives_its_result(dataset, tiny_recognizer, model, tmp_path):
    param = create_dl_train_param(1, workdir=tmp_path, **QUIET)
    train_dl_model(dataset, model, param)
    again = DLModel(tiny_recognizer, model.training)
    outcome = train_dl_model(dataset, again, param, start_epoch="resume")
    assert outcome.finished
    assert len(outcome.train_infos) == 1
    assert parameters(again) == parameters(model)


@pytest.mark.slow
def test_rehearsal_by_a_dataset_and_distillation(dataset, model, rendered):
    param = create_dl_train_param(1, rehearsal_share=0.25, **QUIET)
    outcome = train_dl_model(dataset, model, param, rehearsal=rendered)
    assert np.isfinite(outcome.train_infos[0]["mean_loss"])
    assert outcome.train_infos[0]["mean_loss"] > 0


@pytest.mark.slow
def test_a_new_character_can_be_learned(dataset, model):
    with pytest.warns(UserWarning, match="€"):
        deepocr_jax.set_dl_model_param(model, "alphabet", [*TINY_ALPHABET, "€"])
    samples = [dict(s) for s in dataset["samples"]]
    samples[0]["word"] = "€"
    train_dl_model({**dataset, "samples": samples}, model, create_dl_train_param(1, **QUIET))
    assert model.checkpoint.alphabet[-1] == "€"
    kernel = model.checkpoint.variables["params"]["head"]["kernel"]
    assert kernel.shape[1] == len(TINY_ALPHABET) + 2


def test_a_word_outside_the_alphabet_is_named(dataset, model):
    samples = [dict(s) for s in dataset["samples"]]
    samples[3]["word"] = "xyz"
    with pytest.raises(DatasetError, match="xyz"):
        train_dl_model({**dataset, "samples": samples}, model, create_dl_train_param(1, **QUIET))


def test_other_models_and_datasets_are_refused(dataset, model, tiny_recognizer):
    other = DLModel(replace(tiny_recognizer, kind="ocr_orientation"))
    param = create_dl_train_param(1, **QUIET)
    with pytest.raises(ParameterValueError, match="'ocr_orientation'"):
        train_dl_model(dataset, other, param)
    with pytest.raises(ParameterValueError, match="'ocr_orientation'"):
        train_dl_model_batch({"image": np.zeros((48, 48, 3), np.uint8), "word": "A"}, other)
    pages = {
        **dataset,
        "samples": [{k: v for k, v in dataset["samples"][0].items() if k != "word"}],
    }
    with pytest.raises(DatasetError, match="read_dl_dataset_ocr_recognition"):
        train_dl_model(pages, model, param)


def test_single_batches_overfit_three_crops(model, rendered):
    deepocr_jax.set_dl_model_param(model, "learning_rate", 3e-3)
    samples = [{"image": rendered.crop(i), "word": rendered.word(i)} for i in range(3)]
    # Which crops are rendered depends on the fonts that are installed, so how long it takes does.
    for _ in range(1500):
        loss = train_dl_model_batch(samples, model)["total_loss"]
        if loss < 0.05:
            break
    assert loss < 0.1
    read = [r["word"] for r in deepocr_jax.apply_dl_model(samples, model)]
    assert read == [s["word"] for s in samples]


def test_single_batches_refuse_what_is_no_sample(model, rendered):
    with pytest.raises(ParameterValueError, match="word"):
        train_dl_model_batch({"image": rendered.crop(0)}, model)
    with pytest.raises(ParameterValueError, match="at least"):
        train_dl_model_batch([], model)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_epochs": 0},
        {"num_epochs": 1, "serialize": "worst"},
        {"num_epochs": 1, "schedule": "step"},
        {"num_epochs": 1, "rehearsal_share": 1.0},
        {"num_epochs": 1, "change": [("momentum", [1], [0.5])]},
        {"num_epochs": 1, "change": [("learning_rate", [1, 2], [0.5])]},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ParameterValueError):
        create_dl_train_param(**wrong)
