from __future__ import annotations

import pickle

import pytest

from deepocr_jax import errors
from deepocr_jax.errors import (
    DatasetError,
    DeepOCRError,
    ImageBatchError,
    ImageError,
    ImageFormatError,
    ImageReadError,
    ImageSizeError,
    ModeError,
    ModelFileError,
    ParameterError,
    ParameterValueError,
    TrainingDivergedError,
    UnknownParameterError,
    WeightsError,
)


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (ImageError, (DeepOCRError, ValueError)),
        (ImageReadError, (ImageError,)),
        (ImageFormatError, (ImageError,)),
        (ImageSizeError, (ImageError,)),
        (ImageBatchError, (ImageError,)),
        (ParameterError, (DeepOCRError, ValueError)),
        (UnknownParameterError, (ParameterError,)),
        (ParameterValueError, (ParameterError,)),
        (ModeError, (DeepOCRError, ValueError)),
        (ModelFileError, (DeepOCRError, OSError)),
        (WeightsError, (DeepOCRError, RuntimeError)),
        (DatasetError, (DeepOCRError, ValueError)),
        (TrainingDivergedError, (DeepOCRError, ArithmeticError)),
    ],
)
def test_each_class_is_also_its_builtin(kind, bases):
    for base in bases:
        assert issubclass(kind, base)


def test_every_public_class_is_a_deepocr_error():
    kinds = [
        value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert len(kinds) == 15
    assert all(issubclass(kind, DeepOCRError) for kind in kinds)


@pytest.mark.parametrize("kind", [ImageReadError, ModelFileError, WeightsError, ModeError])
def test_a_message_is_kept(kind):
    assert str(kind("expected a, got b")) == "expected a, got b"


def test_unknown_parameter_suggests_the_closest():
    error = UnknownParameterError("min_scoer", ["recognition_batch", "min_score", "device"])
    assert error.name == "min_scoer"
    assert error.known == ("device", "min_score", "recognition_batch")
    assert error.suggestion == "min_score"
    assert "'min_scoer'" in str(error)
    assert "Did you mean 'min_score'?" in str(error)
    assert "device, min_score, recognition_batch" in str(error)


def test_unknown_parameter_looks_past_the_case():
    assert UnknownParameterError("DEVICE", ["device", "other"]).suggestion == "device"
    assert UnknownParameterError("mode", ["Mode"]).suggestion == "Mode"


def test_unknown_parameter_without_a_close_name():
    error = UnknownParameterError("zzzz", ["device"])
    assert error.suggestion is None
    assert "Did you mean" not in str(error)


def test_unknown_parameter_without_known_names():
    assert "Known parameters: none." in str(UnknownParameterError("a", []))


def test_unknown_parameter_survives_pickling():
    error = pickle.loads(pickle.dumps(UnknownParameterError("devise", {"device"})))
    assert error.suggestion == "device"
    assert "'devise'" in str(error)


def test_batch_error_carries_results_and_errors_in_order():
    failures = {2: ImageReadError("second"), 0: ImageSizeError("first")}
    error = ImageBatchError([None, "good", None], failures)
    assert error.results == [None, "good", None]
    assert list(error.errors) == [0, 2]
    assert str(error).splitlines()[0].startswith("2 of 3 images failed")
    assert "image 0: first" in str(error)
    assert "image 2: second" in str(error)
    assert "more" not in str(error)


def test_batch_error_lists_the_first_few():
    failures = {index: ImageReadError(f"cause {index}") for index in range(10)}
    text = str(ImageBatchError([None] * 10, failures))
    assert "cause 2" in text
    assert "cause 3" not in text
    assert "and 7 more" in text


def test_batch_error_survives_pickling():
    error = ImageBatchError([None, 1], {0: ImageReadError("gone")})
    copy = pickle.loads(pickle.dumps(error))
    assert copy.results == [None, 1]
    assert str(copy) == str(error)
    assert isinstance(copy.errors[0], ImageReadError)


def test_batch_error_does_not_share_the_callers_containers():
    results, failures = [None], {0: ImageReadError("gone")}
    error = ImageBatchError(results, failures)
    results.append(1)
    failures.clear()
    assert error.results == [None]
    assert list(error.errors) == [0]


def test_dataset_error_carries_the_faults_and_survives_pickling():
    error = DatasetError("expected a, got b", ["fault 1", "fault 2"])
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "expected a, got b"
    assert copy.faults == ("fault 1", "fault 2")
    assert DatasetError("alone").faults == ()


def test_diverged_error_names_step_and_samples_and_survives_pickling():
    error = pickle.loads(pickle.dumps(TrainingDivergedError(12, (3, 4))))
    assert (error.step, error.image_ids) == (12, (3, 4))
    assert "step 12" in str(error)
    assert "[3, 4]" in str(error)
