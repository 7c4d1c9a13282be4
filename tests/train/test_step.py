"""One step: what it must not depend on."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from linear_task import BATCH_STATS, PARAMS, linear_loss, make_rows

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.parameters import split_parameters
from deepocr_jax.train.state import init_state, variables_of
from deepocr_jax.train.step import Losses, ParallelStep, StepOptions

pytestmark = [
    pytest.mark.skipif(jax.local_device_count() != 1, reason="counts the rows of one device"),
]
HYPER = {"learning_rate": np.float32(0.1), "weight_prior": np.float32(0.01)}
SGD = OptimizerOptions("sgd")


def numbered(batch):
    rows = np.arange(len(batch["mask"]), dtype=np.int32)
    return {**{k: v for k, v in batch.items() if k != "image_id"}, "row": rows}


def quiet_loss(trained, kept, stats, batch, key):
    """The linear loss with the same noise for every row of every part."""
    batch = {**batch, "row": 0 * batch["row"]}
    return linear_loss(trained, kept, stats, batch, jax.random.key(0))


def doubled_loss(trained, kept, stats, batch, key):
    """Another role, with a loss of its own name."""
    losses = quiet_loss(trained, kept, stats, batch, key)
    return Losses(2 * losses.total, {"doubled": losses.total}, losses.batch_stats)


LOSSES = {"linear": linear_loss, "quiet": quiet_loss, "doubled": doubled_loss}


def run(batches, frozen=("frozen",), optimizer=SGD, rate=0.1, **options):
    """The state and the metrics after some steps of one part each, as numpy arrays."""
    return run_parts([[("linear", batch)] for batch in batches], frozen, optimizer, rate, **options)


def run_parts(steps, frozen=("frozen",), optimizer=SGD, rate=0.1, **options):
    """The same for steps of several parts."""
    trained, kept = split_parameters(PARAMS, frozen)
    chosen = StepOptions(**options)
    state = init_state(trained, BATCH_STATS, optimizer, 3, chosen.average_decay > 0)
    step = ParallelStep(LOSSES, optimizer, chosen, {})
    hyper = {**HYPER, "learning_rate": np.float32(rate)}
    rest = {"kept": step.replicate(kept), "hyper": hyper}
    metrics = []
    for parts in steps:
        state, values = step(state, [(role, numbered(batch)) for role, batch in parts], rest)
        metrics.append({name: float(value) for name, value in values.items()})
    return jax.tree.map(np.asarray, state), metrics


def assert_close(actual, expected, tolerance=1e-5):
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance),
        actual,
        expected,
    )


def batches(count=3, **options):
    return [make_rows(step, **options) for step in range(count)]


def test_metrics_are_means_over_the_rows_and_steps_are_counted():
    state, metrics = run(batches(1), optimizer=OptimizerOptions("sgd", momentum=0.0))
    trained, kept = split_parameters(PARAMS, ("frozen",))
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 0), 0)  # Step, then part.
    batch = numbered(make_rows(0))

    def mean(params):
        return linear_loss(params, kept, BATCH_STATS, batch, key).total.mean()

    value, gradient = jax.value_and_grad(mean)(trained)
    assert metrics[0]["total_loss"] == pytest.approx(float(value), rel=1e-5)
    assert metrics[0].keys() == {"total_loss", "absolute_error", "gradient_norm"}
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(gradient)))
    assert metrics[0]["gradient_norm"] == pytest.approx(float(norm), rel=1e-5)
    assert state.step == 1
    decayed = {"linear": {"kernel": 0.01 * trained["linear"]["kernel"], "bias": 0.0}}
    expected = jax.tree.map(lambda p, g, d: p - 0.1 * (g + d), trained, gradient, decayed)
    assert_close(state.params, expected)
    assert_close(state.batch_stats["norm"]["mean"], 0.1 * batch["x"].mean(axis=0))


@pytest.mark.parametrize("filling", [0, 3])
@pytest.mark.parametrize("optimizer", [SGD, OptimizerOptions("adamw", gradient_clip=0.5)])
def test_accumulation_changes_nothing(filling, optimizer):
    """One part of eight rows, or four of two; the last ones may be filling."""
    given = batches(filling=filling)
    whole, metrics = run_parts([[("quiet", b)] for b in given], optimizer=optimizer)
    steps = [[("quiet", cut(batch, i)) for i in range(0, 8, 2)] for batch in given]
    parts, metrics_of_parts = run_parts(steps, optimizer=optimizer)
    assert_close(parts.params, whole.params)
    assert_close(metrics_of_parts, metrics)
    assert np.abs(whole.params["linear"]["kernel"]).min() > 1e-3


def cut(batch, start, rows=2):
    return {name: value[start : start + rows] for name, value in batch.items()}


def test_each_part_continues_the_statistics_of_the_one_before():
    batch = make_rows(0)
    state, _ = run_parts([[("quiet", cut(batch, 0, 4)), ("quiet", cut(batch, 4, 4))]])
    means = [batch["x"][:4].mean(axis=0), batch["x"][4:].mean(axis=0)]
    assert_close(state.batch_stats["norm"]["mean"], 0.1 * (0.9 * means[0] + means[1]))


def test_parts_of_several_roles_count_by_their_rows():
    """Each on a batch of its own size; a loss is the mean over the rows that have it."""
    first, second = make_rows(0), make_rows(1, rows=4, filling=1)
    sgd = OptimizerOptions("sgd", momentum=0.0)
    state, (metrics,) = run_parts([[("quiet", first), ("doubled", second)]], optimizer=sgd)
    trained, kept = split_parameters(PARAMS, ("frozen",))

    def sums(params):
        a = quiet_loss(params, kept, BATCH_STATS, numbered(first), None).total.sum()
        b = quiet_loss(params, kept, BATCH_STATS, numbered(second), None).total[:3].sum()
        return a, b

    gradient = jax.grad(lambda p: (sums(p)[0] + 2 * sums(p)[1]) / 11)(trained)
    decayed = {"linear": {"kernel": 0.01 * trained["linear"]["kernel"], "bias": 0.0}}
    expected = jax.tree.map(lambda p, g, d: p - 0.1 * (g + d), trained, gradient, decayed)
    assert_close(state.params, expected)
    a, b = map(float, sums(trained))
    assert metrics["total_loss"] == pytest.approx((a + 2 * b) / 11, rel=1e-5)
    assert metrics["doubled"] == pytest.approx(b / 3, rel=1e-5)
    # Only the first part has it.
    alone = run_parts([[("quiet", first)]])[1][0]
    assert metrics["absolute_error"] == pytest.approx(alone["absolute_error"], rel=1e-5)


def test_a_part_of_filling_rows_only_changes_nothing():
    """As at the end of an epoch whose batches do not divide among the steps."""
    given = make_rows(0)
    empty = make_rows(1, rows=4, filling=4)
    alone, metrics = run_parts([[("quiet", given)]])
    beside, metrics_beside = run_parts([[("quiet", given), ("quiet", empty)]])
    assert_close(beside.params, alone.params, 0)
    assert_close(metrics_beside, metrics, 0)


def test_filling_rows_change_nothing():
    alone, metrics = run(batches(rows=5))
    filled = []
    for batch in batches(rows=5):
        # Whatever stands in a filling row.
        more = {
            "x": np.full((3, 3), 1e6, np.float32),
            "y": np.full(3, -1e6, np.float32),
            "mask": np.zeros(3, np.float32),
            "image_id": np.full(3, -1),
        }
        filled.append({k: np.concatenate([batch[k], more[k]]) for k in batch})
    padded, metrics_of_padded = run(filled)
    assert_close(metrics_of_padded, metrics)
    assert_close(padded.params, alone.params)
    assert_close(padded.batch_stats, alone.batch_stats)


def test_a_batch_of_filling_rows_only_moves_nothing():
    state, metrics = run([make_rows(0, filling=8)], optimizer=OptimizerOptions("sgd"))
    assert metrics[0]["total_loss"] == 0
    assert_close(state.params["linear"], PARAMS["linear"], 0)


def test_frozen_parameters_stay_bit_for_bit_and_the_others_move():
    state, _ = run(batches())
    variables = variables_of(state, split_parameters(PARAMS, ("frozen",))[1])
    assert state.params.keys() == {"linear"}
    np.testing.assert_array_equal(
        variables["params"]["frozen"]["kernel"], PARAMS["frozen"]["kernel"]
    )
    assert np.abs(variables["params"]["linear"]["kernel"]).min() > 1e-3
    free, _ = run(batches(), frozen=())
    assert np.abs(free.params["frozen"]["kernel"] - 0.1).min() > 1e-3


def test_moving_average_follows_the_parameters():
    decay, expected = 0.15, PARAMS["linear"]
    for count in range(1, 5):
        state, _ = run(batches(count), average_decay=decay)
        d = min(decay, count / (9 + count))  # (1 + step) / (10 + step), of the step before
        expected = jax.tree.map(
            lambda a, p, d=d: d * a + (1 - d) * p, expected, state.params["linear"]
        )
        assert_close(state.average["linear"], expected)
    assert_close(variables_of(state, {})["params"], state.average, 0)
    plain, _ = run(batches(4))
    assert plain.average == {}
    assert_close(plain.params, state.params)


def test_each_step_and_row_draws_its_own_noise():
    same = make_rows(0)
    _, (first, second) = run([same, same], rate=0.0)
    assert first["total_loss"] != pytest.approx(second["total_loss"], rel=1e-6)
    _, (doubled,) = run([{k: np.concatenate([v, v]) for k, v in same.items()}], rate=0.0)
    assert first["total_loss"] != pytest.approx(doubled["total_loss"], rel=1e-6)
    _, (parts,) = run_parts([[("linear", same), ("linear", same)]], rate=0.0)
    assert first["total_loss"] != pytest.approx(parts["total_loss"], rel=1e-6)
    _, (again,) = run([same], rate=0.0)
    assert first == again


@pytest.mark.parametrize(("rows", "devices"), [(6, 4), (3, 2)])
def test_rows_that_do_not_divide_are_refused(rows, devices):
    step = ParallelStep(LOSSES, SGD, StepOptions(), {})
    step._devices, step._begin = np.arange(devices), lambda state, _: {}
    trained, kept = split_parameters(PARAMS, ())
    state = init_state(trained, BATCH_STATS, SGD, 0, False)
    parts = [("linear", numbered(make_rows(0, rows=rows)))]
    with pytest.raises(ParameterValueError, match=rf"{rows} rows.*{devices} devices.*batch_size"):
        step(state, parts, {"kept": kept, "hyper": HYPER})


def test_a_program_for_each_shape():
    step = ParallelStep(LOSSES, SGD, StepOptions(), {})
    trained, kept = split_parameters(PARAMS, ())
    state = init_state(trained, BATCH_STATS, SGD, 0, False)
    rest = {"kept": kept, "hyper": HYPER}
    for rows in (4, 8, 4, 8, 8):
        state, _ = step(state, [("linear", numbered(make_rows(0, rows=rows)))], rest)
    assert len(step._programs) == 2 and int(state.step) == 5
    for role in ("linear", "quiet"):
        state, _ = step(
            state, [(role, numbered(make_rows(0))), ("linear", numbered(make_rows(1)))], rest
        )
    assert len(step._programs) == 3 and int(state.step) == 7


def test_the_given_parameters_are_not_used_up():
    before = jax.tree.map(np.copy, PARAMS)
    run(batches(), frozen=())
    assert_close(PARAMS, before, 0)


def test_operations_of_a_step_grow_with_its_rows_and_use_nothing_up():
    trained, kept = split_parameters(PARAMS, ("frozen",))
    step = ParallelStep(LOSSES, SGD, StepOptions(), {})
    state = step.replicate(init_state(trained, BATCH_STATS, SGD, 3, average=False))
    rest = {"kept": kept, "hyper": HYPER}
    counts = []
    for rows in (64, 128):
        parts = [("linear", numbered(make_rows(0, rows)))]
        counts.append(step.flops(state, parts, rest))
    assert 1.5 < counts[1] / counts[0] < 2.5
    step(state, parts, rest)  # The state is still there.
