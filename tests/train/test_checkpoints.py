"""Training states on disk: whole, damaged, foreign, and left half-written."""

from __future__ import annotations

import json
import shutil
import warnings

import jax
import numpy as np
import pytest
from linear_task import BATCH_STATS, PARAMS

from deepocr_jax.errors import ModelFileError
from deepocr_jax.train.checkpoints import load_newest, save_state
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.state import init_state

# Reads that fail leave futures behind in TensorStore, which end after their event loop did.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PROGRESS = {"fingerprint": "größer", "history": {"losses": [[0, 0.1 + 0.2]], "best": None}}


def make_state(step, solver="adamw", average=True, params=PARAMS):
    """A state whose every number differs from those of other steps."""
    state = init_state(params, BATCH_STATS, OptimizerOptions(solver), 5, average)
    rng = np.random.default_rng(step)

    def fill(leaf):
        if np.issubdtype(leaf.dtype, np.floating):
            return rng.standard_normal(leaf.shape).astype(leaf.dtype)
        return np.asarray(leaf)

    return jax.tree.map(fill, state)._replace(step=np.int32(step))


def assert_same(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(e).dtype
        assert np.asarray(a).tobytes() == np.asarray(e).tobytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def largest_file(place):
    files = [p for p in (place / "arrays").rglob("*") if p.is_file()]
    return max(files, key=lambda p: p.stat().st_size)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two states, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("written") / "states"
    for step in (10, 20):
        save_state(folder, make_state(step), {**PROGRESS, "step": step})
    return folder


@pytest.fixture
def states(written, tmp_path):
    return shutil.copytree(written, tmp_path / "states")


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
@pytest.mark.parametrize("average", [False, True])
def test_round_trip_bit_for_bit(tmp_path, solver, average):
    state = make_state(7, solver, average)
    odd = np.array([np.nan, np.inf, -0.0], np.float32)
    state.batch_stats["norm"]["mean"] = odd
    place = save_state(tmp_path / "a" / "states", state, PROGRESS)
    saved = load_newest(tmp_path / "a" / "states", make_state(0, solver, average))
    assert saved is not None and place.name == "00000007"
    assert_same(saved.state, state)
    assert saved.progress == PROGRESS


def test_nothing_saved_is_none(tmp_path):
    assert load_newest(tmp_path / "none", make_state(0)) is None
    (tmp_path / "empty").mkdir()
    assert load_newest(tmp_path / "empty", make_state(0)) is None


def test_the_two_newest_are_kept(tmp_path):
    for step in (5, 90, 100, 1000):
        save_state(tmp_path, make_state(step), PROGRESS)
    assert names(tmp_path) == ["00000100", "00001000"]
    saved = load_newest(tmp_path, make_state(0))
    assert saved is not None
    assert_same(saved.state, make_state(1000))


def test_saving_a_step_again_replaces_it(tmp_path):
    save_state(tmp_path, make_state(5), PROGRESS)
    other = make_state(6)._replace(step=np.int32(5))
    save_state(tmp_path, other, {"other": True})
    saved = load_newest(tmp_path, make_state(0))
    assert saved is not None and saved.progress == {"other": True}
    assert_same(saved.state, other)


# --- damage -------------------------------------------------------------------------------------


def truncate_arrays(place):
    path = largest_file(place)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(place):
    path = largest_file(place)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def exchange_arrays(place):
    """Sound arrays of another step under a description that does not fit them."""
    shutil.rmtree(place / "arrays")
    shutil.copytree(place.parent / "00000010" / "arrays", place / "arrays")


def describe(text):
    return lambda place: (place / "state.json").write_text(text)


def change_description(**changes):
    def change(place):
        path = place / "state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


DAMAGES = {
    "truncated": truncate_arrays,
    "a bit": flip_a_bit,
    "exchanged": exchange_arrays,
    "no arrays": lambda place: shutil.rmtree(place / "arrays"),
    "no description": lambda place: (place / "state.json").unlink(),
    "empty description": describe(""),
    "garbage": describe("{]"),
    "a list": describe("[1]"),
    "other format": change_description(format="something else"),
    "other version": change_description(version=99),
    "other checksum": change_description(sha256="0" * 64),
    "garbled progress": change_description(progress=3),
    "garbled arrays": change_description(arrays="step"),
    "no names of arrays": change_description(arrays=[]),
    "arrays without shapes": change_description(arrays=[["step", 3, "int32"]]),
    "arrays of two": change_description(arrays=[[".step", []]]),
    "shapes of words": change_description(arrays=[[".step", ["x"], "int32"]]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_is_named_and_the_one_before_used(states, damage):
    damage(states / "00000020")
    with pytest.warns(UserWarning, match=r"damaged.*00000020"):
        saved = load_newest(states, make_state(0))
    assert saved is not None and saved.progress["step"] == 10
    assert_same(saved.state, make_state(10))


def test_all_damaged_is_an_error_that_says_what_to_do(states):
    truncate_arrays(states / "00000020")
    describe("{]")(states / "00000010")
    with (
        pytest.warns(UserWarning, match="damaged") as warned,
        pytest.raises(ModelFileError, match="none of the training states.*remove that folder"),
    ):
        load_newest(states, make_state(0))
    assert len(warned) == 2


def test_saving_goes_on_after_a_damage(states):
    truncate_arrays(states / "00000020")
    save_state(states, make_state(30), PROGRESS)
    saved = load_newest(states, make_state(0))
    assert saved is not None
    assert_same(saved.state, make_state(30))


# --- foreign and unfinished ---------------------------------------------------------------------

WIDER = {**PARAMS, "linear": {**PARAMS["linear"], "bias": np.zeros(2, np.float32)}}
FOREIGN = {
    "network": lambda: make_state(0, params=WIDER),
    "parts": lambda: make_state(0, params={"linear": PARAMS["linear"]}),
    "optimizer": lambda: make_state(0, "sgd"),
    "average": lambda: make_state(0, average=False),
}


@pytest.mark.parametrize("like", FOREIGN.values(), ids=FOREIGN)
def test_a_state_of_another_run_is_refused_not_passed_over(states, like):
    with pytest.raises(ModelFileError, match="00000020 belongs to a run with another network"):
        load_newest(states, like())


def test_what_a_killed_process_left_is_not_taken_for_a_state(states):
    shutil.copytree(states / "00000020", states / ".00000030.abc.draft")
    truncate_arrays(states / ".00000030.abc.draft")
    (states / ".00000040.def.draft").mkdir()
    shutil.copytree(states / "00000020", states / ".00000020.ghi.old" / "00000020")
    (states / "notes.txt").write_text("mine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = load_newest(states, make_state(0))
        save_state(states, make_state(30), PROGRESS)
    assert saved is not None
    assert_same(saved.state, make_state(20))
    assert {"00000020", "00000030", "notes.txt"} <= set(names(states))
