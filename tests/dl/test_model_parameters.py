"""Every name of the table of a DL model's parameters; with random weights."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest

from deepocr_jax.dl.model import DLModel, read_dl_model, write_dl_model
from deepocr_jax.dl.model_parameters import (
    GETTERS,
    SETTERS,
    get_dl_model_param,
    set_dl_model_param,
)
from deepocr_jax.dl.training_parameters import TrainingParameters
from deepocr_jax.errors import ParameterError, ParameterValueError, UnknownParameterError
from deepocr_jax.models.batch_norm import BatchNorm
from deepocr_jax.models.recognizer import Recognizer
from deepocr_jax.models.registry import spec_from_dict

# name: (default, other values as given -> as got; None: refused)
SETTABLE = {
    "batch_size": (16, {1: 1, "32": 32, 0: None, 1.5: None, -4: None}),
    "batch_size_multiplier": (1, {4: 4, 0: None}),
    "learning_rate": (3e-4, {0: 0.0, "1e-3": 1e-3, -1e-9: None, float("inf"): None}),
    "momentum": (0.9, {0: 0.0, 0.99: 0.99, 1: None, -0.1: None}),
    "weight_prior": (0.0, {0.01: 0.01, -1: None}),
    "solver_type": ("adamw", {"sgd": "sgd", "adam": "adam", "Adam": None, "rmsprop": None}),
    "adam_beta1": (0.9, {0.5: 0.5, 1: None}),
    "adam_beta2": (0.999, {0.99: 0.99, 1.0: None}),
    "adam_epsilon": (1e-8, {1e-6: 1e-6, 0: None, -1: None}),
    "batchnorm_momentum": (0.9, {0.99: 0.99, 0: 0.0, 1: None}),
    "precision": ("float32", {"bfloat16": "bfloat16", "float16": None}),
    "image_width": (640, {320: 320, "321": 352, 16: None}),
    "image_dimensions": (
        [640, 48, 3],
        {
            (320, 48, 3): [320, 48, 3],
            (320, 48): [320, 48, 3],
            "960,48,3": [960, 48, 3],
            (320, 32, 3): None,
            (320, 48, 1): None,
            (320,): None,
            (1, 2, 3, 4): None,
        },
    ),
}
GOOD = [
    (n, v, w) for n, (_, values) in SETTABLE.items() for v, w in values.items() if w is not None
]
BAD = [(n, v) for n, (_, values) in SETTABLE.items() for v, w in values.items() if w is None]
BAD += [(n, v) for n in SETTABLE for v in (None, [], {}, "", float("nan"), object())]
BAD += [("batch_size", True), ("learning_rate", False)]
BAD += [("device", v) for v in ("abacus", 3, [])]
BAD += [("meta_data", v) for v in (None, "text", {"a": 1}, {1: "a"}, ["a"])]
BAD += [("alphabet", v) for v in (None, "", [], ["ab"], "AA", 7, [[]], "latn")]


@pytest.fixture
def model(tiny_recognizer):
    return DLModel(tiny_recognizer)


@pytest.mark.parametrize(("name", "default"), [(n, d) for n, (d, _) in SETTABLE.items()])
def test_defaults(model, name, default):
    assert get_dl_model_param(model, name) == default


@pytest.mark.parametrize(("name", "value", "wanted"), GOOD)
def test_what_was_set_is_got(model, name, value, wanted):
    set_dl_model_param(model, name, value)
    got = get_dl_model_param(model, name)
    assert got == wanted
    assert type(got) is type(wanted)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_refused_value_is_named_and_changes_nothing(model, name, value):
    before = model.checkpoint, model.training
    with pytest.raises(ParameterValueError) as caught:
        set_dl_model_param(model, name, value)
    if name != "alphabet":  # Its errors speak of the alphabet.
        assert name in str(caught.value)
    assert before[0] is model.checkpoint
    assert before[1] is model.training


def test_every_settable_parameter_is_here_and_can_be_read():
    assert set(SETTERS) == {*SETTABLE, "device", "meta_data", "alphabet"}
    assert set(SETTERS) <= set(GETTERS)


def test_what_can_only_be_read(model):
    assert get_dl_model_param(model, "type") == "ocr_recognition"
    assert get_dl_model_param(model, "image_height") == 48
    assert get_dl_model_param(model, "image_num_channels") == 3
    assert get_dl_model_param(model, "image_range_min") == 0
    assert get_dl_model_param(model, "image_range_max") == 255
    sizes = [a.size for a in jax.tree.leaves(model.checkpoint.variables["params"])]
    assert get_dl_model_param(model, "num_trainable_params") == sum(sizes)
    assert len(get_dl_model_param(model, "summary").splitlines()) == len(sizes)
    assert "head/kernel (16, 19)" in get_dl_model_param(model, "summary")
    for name in set(GETTERS) - set(SETTERS):
        with pytest.raises(ParameterError, match="these can be set: .*batch_size"):
            set_dl_model_param(model, name, get_dl_model_param(model, name))


def test_a_detector_has_no_alphabet_and_no_width_of_its_own(tiny_detector):
    model = DLModel(tiny_detector)
    assert get_dl_model_param(model, "image_dimensions") == [1024, 1024, 3]
    with pytest.raises(UnknownParameterError):
        get_dl_model_param(model, "alphabet")
    for name, value in (("image_width", 320), ("alphabet", "AB")):
        with pytest.raises(ParameterError, match="these can be set"):
            set_dl_model_param(model, name, value)
    set_dl_model_param(model, "batch_size", 4)
    assert get_dl_model_param(model, "batch_size") == 4


def test_unknown_names_are_answered_with_a_close_one(model):
    with pytest.raises(UnknownParameterError, match="'batch_size'"):
        get_dl_model_param(model, "batchsize")
    with pytest.raises(UnknownParameterError, match="'learning_rate'"):
        set_dl_model_param(model, "learnin_rate", 1)
    with pytest.raises(ParameterValueError, match="expected a DL model"):
        get_dl_model_param("model", "type")  # type: ignore[arg-type]


def test_device(model):
    cpu = jax.devices("cpu")[0]
    set_dl_model_param(model, "device", "cpu")
    assert get_dl_model_param(model, "device") == cpu
    set_dl_model_param(model, "device", [cpu, cpu])
    assert get_dl_model_param(model, "device") == [cpu, cpu]
    set_dl_model_param(model, "device", None)
    assert get_dl_model_param(model, "device") == jax.local_devices()[0]


def test_a_changed_alphabet_keeps_shared_rows_and_warns_of_new_characters(model):
    before = model.checkpoint
    with pytest.warns(UserWarning, match=r"2 new characters \(ÄÖ\)") as caught:
        set_dl_model_param(model, "alphabet", "BAÄÖ")
    assert caught[0].filename == __file__
    assert get_dl_model_param(model, "alphabet") == list("BAÄÖ")
    old, new = (c.variables["params"]["head"]["kernel"] for c in (before, model.checkpoint))
    places = [before.alphabet.index(c) + 1 for c in "BA"]
    np.testing.assert_array_equal(new[:, [0, 1, 2]], old[:, [0, *places]])


def test_a_known_alphabet_gives_no_warning(model):
    before = model.checkpoint
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_dl_model_param(model, "alphabet", get_dl_model_param(model, "alphabet"))
        assert model.checkpoint is before
        set_dl_model_param(model, "alphabet", "digits")
    assert get_dl_model_param(model, "alphabet") == list("0123456789")


def test_meta_data_travels_with_the_model_and_training_parameters_do_not(model, tmp_path):
    entries = {"author": "Ä", "run": "7"}
    set_dl_model_param(model, "meta_data", entries)
    set_dl_model_param(model, "batch_size", 3)
    entries["run"] = "8"
    write_dl_model(model, tmp_path / "model")
    read = read_dl_model(tmp_path / "model")
    assert get_dl_model_param(read, "meta_data") == {"author": "Ä", "run": "7"}
    assert read.training == TrainingParameters()
    get_dl_model_param(read, "meta_data")["run"] = "9"
    assert get_dl_model_param(read, "meta_data")["run"] == "7"


def test_models_do_not_share_their_parameters(tiny_recognizer):
    first, second = DLModel(tiny_recognizer), DLModel(tiny_recognizer)
    set_dl_model_param(first, "batch_size", 3)
    set_dl_model_param(first, "meta_data", {"a": "b"})
    assert get_dl_model_param(second, "batch_size") == 16
    assert get_dl_model_param(second, "meta_data") == {}


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_the_momentum_is_that_of_the_running_statistics(momentum):
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32) + 5
    norm = BatchNorm(momentum=momentum)
    variables = norm.init(jax.random.key(0), x)
    _, changed = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    mean = changed["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(mean, (1 - momentum) * x.mean(axis=0), rtol=1e-5)


def test_the_momentum_reaches_every_normalization_of_the_recognizer(tiny_recognizer):
    spec = spec_from_dict(tiny_recognizer.kind, tiny_recognizer.spec)
    x = np.random.default_rng(0).standard_normal((2, 48, 64, 3)).astype(np.float32)
    old = tiny_recognizer.variables["batch_stats"]

    @jax.jit
    def changed(variables):
        """The running statistics after one batch, at two momenta; at 0 they are the batch's own."""
        return [
            Recognizer(spec, momentum=m).apply(variables, x, train=True, mutable=["batch_stats"])[1]
            for m in (0.0, 0.75)
        ]

    batch, mixed = (c["batch_stats"] for c in changed(tiny_recognizer.variables))
    wanted = jax.tree.map(lambda o, b: 0.75 * o + 0.25 * b, old, batch)
    assert len(jax.tree.leaves(wanted)) == 6  # Three normalizations, a mean and a variance each.
    jax.tree.map(lambda w, m: np.testing.assert_allclose(w, m, rtol=1e-4, atol=1e-5), wanted, mixed)
