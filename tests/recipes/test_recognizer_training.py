"""The recipe that makes a recognizer for one script on rendered text."""

import numpy as np
import pytest

from deepocr_jax.checkpoint import read_checkpoint, write_checkpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.recipes.recognizer_training import (
    RecognizerTrainingConfig,
    beginning,
    train_recognizer,
)


@pytest.fixture
def model(tiny_recognizer, tmp_path):
    folder = tmp_path / "model"
    write_checkpoint(folder, tiny_recognizer)
    return str(folder)


def test_the_beginning_has_the_alphabet_and_the_canvases(model):
    config = RecognizerTrainingConfig(model=model, alphabet="digits", symbols="A", least_width=96)
    cut = beginning(config)
    assert cut.alphabet == (*"0123456789", "A")
    assert cut.spec["num_classes"] == 12 and cut.spec["least_width"] == 96
    assert cut.variables["params"]["head"]["kernel"].shape[1] == 12


def test_only_recognizers_and_known_characters(model, tiny_detector, tmp_path):
    with pytest.raises(ParameterValueError, match="does not know"):
        beginning(RecognizerTrainingConfig(model=model, alphabet="digits", symbols="語"))
    write_checkpoint(tmp_path / "detector", tiny_detector)
    with pytest.raises(ParameterValueError, match="expected a recognizer"):
        beginning(RecognizerTrainingConfig(model=str(tmp_path / "detector")))


def test_a_run_writes_a_model_that_reads_narrow_canvases(model, tmp_path):
    config = RecognizerTrainingConfig(
        model=model,
        alphabet="ascii",
        symbols="",
        least_width=64,
        image_width=64,
        batch_size=4,
        num_epochs=1,
        steps_per_epoch=2,
        validation_crops=4,
        pretrained_share=0.75,
        enable_display=False,
    )
    outcome = train_recognizer(config, tmp_path / "run")
    assert outcome.finished and outcome.history.best is not None and outcome.best is not None
    assert {"accuracy", "epoch"} <= set(outcome.history.best)
    trained, began = read_checkpoint(tmp_path / "run" / "best"), beginning(config)
    assert trained.spec["least_width"] == 64 and trained.alphabet == began.alphabet
    before, learned, after = (
        variables["params"]["head"]["kernel"]
        for variables in (began.variables, outcome.best, trained.variables)
    )
    assert (before != learned).any()
    np.testing.assert_allclose(after, 0.75 * before + 0.25 * learned, rtol=1e-5)
