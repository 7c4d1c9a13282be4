"""The loop over a task that costs nothing: epochs, ends of all kinds, and going on."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest
from linear_task import PARAMS, evaluate, linear_task, make_rows, read_model, stream

from deepocr_jax.errors import ModelFileError, ParameterValueError, TrainingDivergedError
from deepocr_jax.train.loop import train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.run import RunOptions, Watcher
from deepocr_jax.train.step import Losses, StepOptions

# All that a state holds: momenta, a moving average, a schedule.
OPTIONS = RunOptions(
    num_epochs=3,
    optimizer=OptimizerOptions("adamw", 0.1, schedule="cosine", warmup_steps=2),
    step=StepOptions(average_decay=0.9),
    frozen=("frozen",),
)
STEPS = 12


def changed(**options):
    return dataclasses.replace(OPTIONS, **options)


def stopping_at(step):
    """A watcher that wants to stop once that many steps were done in this call."""
    asked = []

    def should_stop():
        asked.append(None)
        return len(asked) == step

    return Watcher(should_stop=should_stop)


def assert_same(actual, expected):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.tobytes() == e.tobytes()


def without_time(history):
    """A history as JSON keeps it, without what differs between two runs."""
    values = json.loads(json.dumps(dataclasses.asdict(history)))
    for entry in values["epochs"]:
        assert entry.pop("time") >= 0
    assert values.pop("time_s") >= 0
    return values


@pytest.fixture(scope="module")
def straight():
    return train(linear_task(), OPTIONS)


# --- one run ------------------------------------------------------------------------------------


def test_history_and_reports_tell_the_whole_run():
    reports, epochs = [], []
    watcher = Watcher(
        on_step=reports.append,
        on_epoch=lambda history, epoch: epochs.append((epoch, len(history.evaluations))),
    )
    outcome = train(linear_task(), OPTIONS, watcher=watcher)
    history = outcome.history
    assert outcome.finished and epochs == [(1, 1), (2, 2), (3, 3)]
    assert [r.step for r in reports] == list(range(STEPS))
    assert [r.epoch for r in reports] == [s // 4 for s in range(STEPS)]
    assert all(r.total_steps == STEPS and r.rows_per_s > 0 for r in reports)
    assert all(
        r.metrics.keys() == {"total_loss", "absolute_error", "gradient_norm"} for r in reports
    )
    assert reports[2].hyper["learning_rate"] == pytest.approx(0.1)
    losses = [r.metrics["total_loss"] for r in reports]
    assert [loss for _, loss in history.losses] == losses
    for number, entry in enumerate(history.epochs):
        assert entry["epoch"] == number + 1
        assert entry["mean_loss"] == pytest.approx(np.mean(losses[4 * number : 4 * number + 4]))
    assert losses[-1] < 0.5 * losses[0]
    best = max(history.evaluations, key=lambda figures: figures["accuracy"])
    assert history.best == best
    final = evaluate(outcome.variables)
    assert history.evaluations[-1] == {"epoch": 3, **final}
    json.dumps(dataclasses.asdict(history), allow_nan=False)


def test_the_same_run_twice_is_the_same_bit_for_bit(straight):
    again = train(linear_task(), OPTIONS)
    assert_same(again.variables, straight.variables)
    assert without_time(again.history) == without_time(straight.history)
    other = train(linear_task(), changed(seed=1))
    kernels = [o.variables["params"]["linear"]["kernel"] for o in (other, straight)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-5


def test_neither_the_beginning_nor_earlier_results_are_overwritten():
    """On a CPU numpy arrays may share their memory with JAX's, which steps use up."""
    before, seen = jax.tree.map(np.copy, PARAMS), []

    def remember(variables):
        seen.append((variables, jax.tree.map(np.copy, variables)))
        return {"accuracy": 1.0 / len(seen)}  # So the first remains the best.

    for decay in (0.0, 0.9):
        seen.clear()
        options = changed(step=StepOptions(average_decay=decay), evaluate_before_train=True)
        outcome = train(linear_task(evaluate=remember), options)
        for given, copy in seen:
            assert_same(given, copy)
        assert_same(outcome.best, seen[0][1])
        assert_same(PARAMS, before)


def test_frozen_parts_are_in_the_result_unchanged(straight):
    assert_same(straight.variables["params"]["frozen"], PARAMS["frozen"])
    assert straight.variables["params"].keys() == PARAMS.keys()
    with pytest.raises(ParameterValueError, match="'body'"):
        train(linear_task(), changed(frozen=("body",)))


@pytest.mark.parametrize(
    ("interval", "before", "epochs"),
    [(1, False, [1, 2, 3, 4, 5]), (2, True, [0, 2, 4, 5]), (9, False, [5])],
)
def test_evaluation_interval(interval, before, epochs):
    options = changed(
        num_epochs=5, evaluation_interval_epochs=interval, evaluate_before_train=before
    )
    outcome = train(linear_task(), options)
    assert [figures["epoch"] for figures in outcome.history.evaluations] == epochs


def test_best_is_the_most_accurate_then_the_one_with_fewest_wrong_characters():
    figures = [(0.5, 0.3), (0.8, 0.2), (0.8, 0.1), (0.8, 0.1), (0.7, 0.0)]
    given = iter(figures)

    def judge(variables):
        accuracy, rate = next(given)
        return {"accuracy": accuracy, "character_error_rate": rate}

    outcome = train(linear_task(evaluate=judge), changed(num_epochs=5))
    assert outcome.history.best == {"epoch": 3, "accuracy": 0.8, "character_error_rate": 0.1}


def test_without_evaluation_the_end_is_the_best(tmp_path):
    outcome = train(linear_task(evaluate=None), OPTIONS, tmp_path)
    assert outcome.history.evaluations == [] and outcome.history.best is None
    assert outcome.best is not None
    assert_same(outcome.best, outcome.variables)
    kernel = outcome.variables["params"]["linear"]["kernel"]
    np.testing.assert_array_equal(
        np.float32(read_model(tmp_path / "best")["linear"]["kernel"]), kernel
    )


@pytest.mark.parametrize(
    ("serialize", "models"),
    [
        ((), set()),
        (("best",), {"best"}),
        (("final",), {"final"}),
        (("current", "final"), {"current", "final"}),
        (("epochs",), {"epochs/0001", "epochs/0002", "epochs/0003"}),
    ],
)
def test_models_are_written_as_asked(tmp_path, serialize, models):
    outcome = train(linear_task(), changed(serialize=serialize), tmp_path)
    found = {p.parent.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("model.json")}
    assert found == models
    kernels = {name: np.float32(read_model(tmp_path / name)["linear"]["kernel"]) for name in models}
    final = outcome.variables["params"]["linear"]["kernel"]
    for name in models & {"current", "final", "epochs/0003"}:
        np.testing.assert_array_equal(kernels[name], final)
    if "best" in models:
        assert outcome.best is not None
        np.testing.assert_array_equal(kernels["best"], outcome.best["params"]["linear"]["kernel"])


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(linear_task(), changed(serialize=("best", "current", "epochs", "final")))
    assert not list(tmp_path.iterdir())


# --- losses that are not numbers ----------------------------------------------------------------


def poisoned(step):
    def batches(start, stop):
        for number, batch in zip(range(start, stop), stream(start, stop), strict=True):
            if number == step:
                batch["x"][1, 0] = np.nan
            yield batch

    return batches


@pytest.mark.parametrize("step", [0, 5, 6, STEPS - 1])
def test_a_loss_that_is_not_a_number_stops_with_step_and_samples(tmp_path, step):
    reports = []
    task = linear_task(batches=poisoned(step))
    with pytest.raises(TrainingDivergedError, match=f"loss of step {step} is not finite") as info:
        train(task, changed(save_interval_s=0.0), tmp_path, Watcher(on_step=reports.append))
    ids = make_rows(step, filling=2 if step % 3 == 2 else 0)["image_id"]
    assert info.value.step == step
    assert list(info.value.image_ids) == [i for i in ids if i >= 0]
    assert [r.step for r in reports] == list(range(step))
    # The states before it are sound: with a good batch the run goes on.
    outcome = train(linear_task(), OPTIONS, tmp_path)
    assert outcome.finished and np.isfinite(outcome.variables["params"]["linear"]["kernel"]).all()


def test_a_stream_that_fails_is_closed_and_its_error_passed_on():
    closed = []

    def batches(start, stop):
        try:
            yield make_rows(0)
            raise OSError("disk gone")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="disk gone"):
        train(linear_task(batches=batches), OPTIONS)
    assert closed


def in_two_parts(poison=None):
    """A task whose steps take two batches."""

    def batches(start, stop):
        for number in range(2 * start, 2 * stop):
            batch = make_rows(number, filling=number % 2)
            if number == poison:
                batch["x"][1, 0] = np.nan
            yield batch

    return linear_task(parts=("linear", "linear"), batches=batches)


def test_a_step_takes_a_batch_of_each_of_its_parts(tmp_path):
    reports = []
    outcome = train(in_two_parts(), OPTIONS, watcher=Watcher(on_step=reports.append))
    assert outcome.finished and len(reports) == STEPS
    assert reports[-1].metrics["total_loss"] < 0.5 * reports[0].metrics["total_loss"]
    train(in_two_parts(), OPTIONS, tmp_path, stopping_at(7))
    resumed = train(in_two_parts(), OPTIONS, tmp_path)
    assert_same(resumed.variables, outcome.variables)


@pytest.mark.parametrize("poison", [10, 11])
def test_a_loss_that_is_not_a_number_names_the_samples_of_all_parts(poison):
    with pytest.raises(TrainingDivergedError, match="loss of step 5 ") as info:
        train(in_two_parts(poison), OPTIONS)
    assert list(info.value.image_ids) == [*range(1000, 1008), *range(1100, 1107)]


def test_constants_reach_the_losses_and_stay():
    wanted = np.full((3, 1), 0.3, np.float32)

    def loss(trained, kept, stats, batch, key):
        distance = trained["linear"]["kernel"] - kept["wanted"]["kernel"]
        values = (distance**2).sum() + 0.0 * batch["y"]
        return Losses(values, {}, stats)

    task = linear_task(losses={"linear": loss}, constants={"wanted": {"kernel": wanted}})
    params = train(task, OPTIONS).variables["params"]
    np.testing.assert_array_equal(params["wanted"]["kernel"], wanted)
    assert np.abs(params["linear"]["kernel"] - 0.3).max() < 0.2


# --- going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(1, STEPS))
def test_resumed_at_any_step_is_as_straight_through(tmp_path, straight, stop):
    options = changed(serialize=("best", "final"))
    first = train(linear_task(), options, tmp_path, stopping_at(stop))
    assert not first.finished and not (tmp_path / "final").exists()
    assert f"{stop:08d}" in {p.name for p in (tmp_path / "states").iterdir()}
    reports = []
    outcome = train(linear_task(), options, tmp_path, Watcher(on_step=reports.append))
    assert outcome.finished and [r.step for r in reports] == list(range(stop, STEPS))
    assert_same(outcome.variables, straight.variables)
    assert without_time(outcome.history) == without_time(straight.history)
    best = np.float32(read_model(tmp_path / "best")["linear"]["kernel"])
    np.testing.assert_array_equal(best, straight.best["params"]["linear"]["kernel"])


def test_a_resumed_history_is_equal_as_an_object(tmp_path, straight):
    train(linear_task(), OPTIONS, tmp_path, stopping_at(6))
    history = train(linear_task(), OPTIONS, tmp_path).history
    assert history.losses == straight.history.losses
    assert history.evaluations == straight.history.evaluations


def test_resumed_after_every_step(tmp_path, straight):
    for _ in range(STEPS - 1):
        assert not train(linear_task(), OPTIONS, tmp_path, stopping_at(1)).finished
    outcome = train(linear_task(), OPTIONS, tmp_path)
    assert_same(outcome.variables, straight.variables)
    assert without_time(outcome.history) == without_time(straight.history)
    assert len(list((tmp_path / "states").iterdir())) == 2


def test_a_finished_run_does_nothing_more(tmp_path, straight):
    train(linear_task(), OPTIONS, tmp_path)
    reports = []
    outcome = train(linear_task(), OPTIONS, tmp_path, Watcher(on_step=reports.append))
    assert outcome.finished and not reports and outcome.best is None
    assert_same(outcome.variables, straight.variables)


def test_an_error_between_two_saves_goes_on_from_the_last(tmp_path, straight):
    def fail(report):
        if report.step == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(linear_task(), OPTIONS, tmp_path, Watcher(on_step=fail))
    reports = []
    outcome = train(linear_task(), OPTIONS, tmp_path, Watcher(on_step=reports.append))
    assert reports[0].step == 8  # The end of the second epoch.
    assert_same(outcome.variables, straight.variables)
    assert without_time(outcome.history) == without_time(straight.history)


def test_states_are_saved_as_often_as_asked(tmp_path):
    saved = []

    def note(report):
        folders = (tmp_path / "states").glob("0*")
        saved.append(max((int(p.name) for p in folders), default=0))

    train(linear_task(), changed(save_interval_s=0.0), tmp_path, Watcher(on_step=note))
    # Every step is followed by a save, which waits for the step's report.
    assert saved == list(range(STEPS))


def test_a_folder_of_another_run_is_refused(tmp_path):
    train(linear_task(), OPTIONS, tmp_path, stopping_at(2))
    with pytest.raises(ModelFileError, match="other data.*choose another work folder"):
        train(linear_task(fingerprint="other"), OPTIONS, tmp_path)
    assert train(linear_task(), OPTIONS, tmp_path).finished


@pytest.mark.parametrize(
    "options", [{"seed": 8}, {"num_epochs": 9}, {"optimizer": OptimizerOptions(learning_rate=0.5)}]
)
def test_a_run_goes_on_only_with_its_own_options(tmp_path, options):
    train(linear_task(), OPTIONS, tmp_path)
    with pytest.raises(ModelFileError, match="other options"):
        train(linear_task(), changed(**options), tmp_path)


def test_a_damaged_newest_state_costs_only_some_steps(tmp_path, straight):
    train(linear_task(), OPTIONS, tmp_path, stopping_at(6))
    (tmp_path / "states" / "00000006" / "state.json").write_text("{")
    with pytest.warns(UserWarning, match="00000006"):
        outcome = train(linear_task(), OPTIONS, tmp_path)
    assert_same(outcome.variables, straight.variables)
