"""Processes that run `train_worker.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("train_worker.py")
# Only a worker that hangs is not done by then.
TIME_LIMIT_S = 1200


def start_worker(**job):
    """A process with a job of `train_worker.Job`; its programs are compiled in half the time."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    return subprocess.Popen(
        [sys.executable, str(WORKER), json.dumps(job)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish_workers(workers):
    """Waits for workers; one that fails ends the others, which would wait for it.

    Returns:
        What each printed.
    """
    try:
        outputs = [worker.communicate(timeout=TIME_LIMIT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    for worker, output in zip(workers, outputs, strict=True):
        assert worker.returncode == 0, output[-3000:]
    return outputs
