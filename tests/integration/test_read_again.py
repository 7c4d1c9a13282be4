"""`deepocr read --output` that is killed goes on where it was, and does nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.pretrained

# Several packs of `PAGES_PER_PACK`, so that some lines are written long before the last ones.
COUNT = 64
SIZE = ["detection_image_width=512", "detection_image_height=512", "recognition_image_width=320"]


@pytest.fixture
def folder(tmp_path, sample):
    """Parts of the sample, and an image that is none."""
    (tmp_path / "scans").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        row, col = rng.integers(0, 500), rng.integers(0, 600)
        part = sample[row : row + 100, col : col + 300]
        cv2.imwrite(str(tmp_path / "scans" / f"{number:03}.png"), part)
    (tmp_path / "scans" / "007.png").write_bytes(b"no image")
    return tmp_path


def start(folder, output):
    argv = [sys.executable, "-m", "deepocr_jax", "read", "scans", "--output", output]
    for setting in SIZE:
        argv += ["--set", setting]
    return subprocess.Popen(argv, cwd=folder, env=dict(os.environ), stderr=subprocess.DEVNULL)


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_killed_run_goes_on(folder, shared_handle):
    output = folder / "words.jsonl"
    process = start(folder, output.name)
    deadline = time.monotonic() + 300
    while lines(output) == 0 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = output.read_bytes()
    whole = before[: before.rindex(b"\n") + 1]
    assert 0 < whole.count(b"\n") < COUNT, "the run was over before it could be killed"

    assert start(folder, output.name).wait() == 1  # One image is broken.
    after = output.read_bytes()
    assert after.startswith(whole)
    assert start(folder, "again.jsonl").wait() == 1
    assert after == (folder / "again.jsonl").read_bytes()
    entries = [json.loads(line) for line in after.splitlines()]
    assert [e["path"] for e in entries] == [f"scans/{n:03}.png" for n in range(COUNT)]
    assert [n for n, e in enumerate(entries) if "error" in e] == [7]
