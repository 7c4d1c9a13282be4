"""A training that is killed and run again ends with the bits of one that was not."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from worker_processes import finish_workers, start_worker

from deepocr_jax.checkpoint import flat_items, read_checkpoint

pytestmark = pytest.mark.slow
STEPS, EPOCHS, KILLS = 8, 3, 3
PAUSE_S = 0.03


def start(folder):
    """Adam with a moving average, augmentation, batch statistics; states every few steps."""
    return start_worker(
        out=str(folder / "result.npz"),
        workdir=str(folder / "run"),
        steps=STEPS,
        epochs=EPOCHS,
        filling=3,
        solver="adamw",
        pause_s=PAUSE_S,
    )


def kill_after(worker, steps, delay_s):
    """Kills a worker a while after it has done some steps; returns the numbers of its steps."""
    done = []
    for line in worker.stdout:
        if line.strip().isdigit():
            done.append(int(line))
        if len(done) == steps:
            time.sleep(delay_s)
            break
    worker.kill()
    worker.communicate()
    return done


def read_arrays(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    finish_workers([start(folder)])
    return folder


def test_killed_at_random_moments_and_run_again(tmp_path, straight):
    rng = np.random.default_rng()
    begun = []
    for _ in range(KILLS):
        # Anywhere: in a step, between two, while a state or a model is written.
        steps, delay_s = int(rng.integers(1, STEPS)), float(rng.uniform(0, 4 * PAUSE_S))
        done = kill_after(start(tmp_path), steps, delay_s)
        assert done == list(range(done[0], done[0] + steps))
        begun.append(done[0])
        assert not (tmp_path / "result.npz").exists()
    (output,) = finish_workers([start(tmp_path)])
    steps = [int(line) for line in output.splitlines() if line.strip().isdigit()]
    assert steps[-1] == STEPS * EPOCHS - 1 and begun == sorted(begun) and begun[-1] <= steps[0]
    assert "damaged" not in output

    expected, actual = (read_arrays(f / "result.npz") for f in (straight, tmp_path))
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        kept = value[steps[0] :] if name == "losses" else value
        assert actual[name].tobytes() == kept.tobytes(), name
    for model in ("best", "current", "final"):
        pair = [read_checkpoint(f / "run" / model).variables for f in (tmp_path, straight)]
        for (path, a), (_, b) in zip(*map(flat_items, pair), strict=True):
            assert a.tobytes() == b.tobytes(), (model, path)
    states = [newest_state(folder) for folder in (tmp_path, straight)]
    assert states[0]["sha256"] == states[1]["sha256"]
    assert states[0]["progress"]["history"]["losses"] == states[1]["progress"]["history"]["losses"]


def newest_state(folder):
    place = max((folder / "run" / "states").glob("0*"))
    return json.loads((place / "state.json").read_text(encoding="utf-8"))
