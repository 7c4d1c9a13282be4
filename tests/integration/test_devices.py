"""The same ten steps on one device, on four, and in two processes of two devices each."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
from worker_processes import finish_workers, start_worker

pytestmark = pytest.mark.slow
STEPS = 10
CROPS = 7  # Not a multiple of the processes.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Losses and variables of every arrangement.

    Every third batch has five filling rows of eight, so two of four devices have no real one.
    """
    folder = tmp_path_factory.mktemp("devices")
    port = free_port()
    jobs = {
        "one": [{"devices": 1}],
        "four": [{"devices": 4}],
        "two times two": [
            {"devices": 2, "processes": 2, "rank": rank, "port": port} for rank in range(2)
        ],
    }
    found = {}
    for name, arrangement in jobs.items():
        outs = [str(folder / f"{name} {rank}.npz") for rank in range(len(arrangement))]
        pairs = zip(arrangement, outs, strict=True)
        workers = [
            start_worker(steps=STEPS, filling=5, crops=CROPS, out=out, **job) for job, out in pairs
        ]
        finish_workers(workers)
        found[name] = []
        for out in outs:
            with np.load(out, allow_pickle=False) as arrays:
                found[name].append(dict(arrays))
    return found


@pytest.fixture(scope="module")
def results(outcomes):
    """The losses and variables alone."""
    return {
        name: [{k: v for k, v in one.items() if k != "figures"} for one in found]
        for name, found in outcomes.items()
    }


@pytest.mark.parametrize("name", ["four", "two times two"])
def test_devices_and_processes_agree(results, name):
    (expected,) = results["one"]
    assert len(expected["losses"]) == STEPS and np.isfinite(expected["losses"]).all()
    for actual in results[name]:
        assert actual.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(actual[key], value, rtol=1e-5, atol=1e-5, err_msg=key)


def test_processes_hold_the_same_bits(results):
    first, second = results["two times two"]
    for key, value in first.items():
        assert value.tobytes() == second[key].tobytes(), key


def test_training_moved_the_statistics(results):
    """So that the agreement says something: they began at zero."""
    (one,) = results["one"]
    means = [v for k, v in one.items() if k.startswith("batch_stats/") and k.endswith("/mean")]
    assert len(means) == 3 and all(np.abs(mean).max() > 1e-2 for mean in means)


def test_evaluation_counts_every_sample_once_whatever_the_number_of_processes(outcomes):
    (expected,) = (json.loads(str(one["figures"])) for one in outcomes["one"])
    assert expected["count"] == CROPS
    assert sum(len(x["truth"]) for x in expected["worst"]) == 3 * CROPS
    for found in outcomes["four"] + outcomes["two times two"]:
        assert json.loads(str(found["figures"])) == expected
