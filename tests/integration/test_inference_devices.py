"""Images shared out among two devices are read as on one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json
from importlib.resources import files
import jax
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
import deepocr_jax as ocr

settings = {"detection_image_size": (512, 512), "recognition_image_width": 320}
sample = ocr.read_image(files("deepocr_jax").joinpath("assets", "sample.png"))
images = [sample, sample[::-1, ::-1], sample]
told = {}
for name, devices in (("one", jax.devices()[:1]), ("two", jax.devices())):
    handle = ocr.create_deep_ocr(device=devices, **settings)
    nets = handle.state.nets
    programs = {"detector": nets.detector.replicas, "reader": nets.recognizer.readers}
    each = [(f"{kind} {p.device.id}", p) for kind, of_kind in programs.items() for p in of_kind]
    results = ocr.apply_deep_ocr(images, handle)
    told[name] = {
        "words": [x["words"]["word"] for x in results],
        "boxes": [[x["words"][k].tolist() for k in ("row", "col", "phi")] for x in results],
        "confidences": [x["words"]["confidence"].tolist() for x in results],
        "shapes": {who: len(program._by_shape) for who, program in each},
    }
print(json.dumps(told))
"""


@pytest.mark.pretrained
@pytest.mark.slow
def test_two_devices_read_what_one_reads(shared_handle):
    assert shared_handle.state.recognition is not None  # So the cache is filled.
    call = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    one, two = told["one"], told["two"]
    assert set(one["shapes"]) == {"detector 0", "reader 0"}
    assert set(two["shapes"]) == {"detector 0", "reader 0", "detector 1", "reader 1"}
    assert all(count > 0 for count in two["shapes"].values())
    assert sum(map(len, one["words"])) > 100
    for key in ("words", "boxes", "confidences"):
        assert two[key] == one[key], key
