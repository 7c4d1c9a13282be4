"""The benchmark at toy size, without PyTorch; its PyTorch networks where that is installed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deepocr_jax as ocr
from deepocr_jax.infer.compiled import Program

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.mark.pretrained
@pytest.mark.slow
def test_the_benchmark_runs_at_toy_size_and_says_so(tmp_path):
    out = tmp_path / "speed.json"
    call = [sys.executable, str(TOOLS / "benchmark.py"), "--toy", f"--out={out}"]
    for parts in ("networks,stream", "reading"):  # The second adds to what the first has written.
        # An interpreter that has no PyTorch, for certain.
        more = [f"--parts={parts}", "--torch_python=/nonexistent/python"]
        done = subprocess.run([*call, *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["size"].startswith("toy")
    assert "/nonexistent/python" in report["torch_absent"]
    assert "No such file" in report["torch_absent"]
    names = [x["network"] for x in report["networks"]]
    assert names == ["detection", "recognition", "detection by score maps"]
    for x in report["networks"]:
        assert x["ours_per_s"]["median"] > 0 and x["gflop_an_image"] > 0
        assert x["share_of_product_peak"] > 0 and "torch_per_s" not in x
    assert [x["programs_prepared_later"] for x in report["streams"]] == [0, 0, 0]
    assert report["streams"][0]["ratio_to_default"] == 1 and report["streams"][0]["words_a_page"]
    assert [x["what"] for x in report["whole"]] == ["pages, the sample", "word crops, rendered"]
    assert done.stdout.count("\n\n") == 3  # Tables of the networks, streams, stages and the whole.


def test_a_result_of_another_machine_is_not_mixed_with_this_one(tools, tmp_path, monkeypatch):
    benchmark = tools("benchmark")
    out = tmp_path / "speed.json"
    out.write_text(json.dumps({"device": "1 x other", "networks": ["theirs"]}))
    peaks = {"float32": 1.0, "bfloat16": 2.0, "memory": 1.0}
    monkeypatch.setattr(benchmark, "machine_peaks", lambda device: peaks)
    monkeypatch.setattr(benchmark, "measure_streams", lambda args, peaks: {"streams": []})
    benchmark.main(["--toy", "--parts=stream", f"--out={out}"])
    report = json.loads(out.read_text())
    assert report["streams"] == [] and "networks" not in report


def test_shares_are_of_the_limit_that_binds(tools):
    peaks = {"float32": 50.0, "bfloat16": 100.0, "memory": 10.0}
    found = tools("network_benchmark").shares(200.0, 10.0, 4.0, peaks)
    assert (found["share_of_product_peak"], found["share_of_memory_peak"]) == (0.5, 0.25)
    assert found["bound_by"] == "products"


@pytest.mark.pretrained
@pytest.mark.slow
def test_flops_and_bytes_of_a_network_grow_with_its_images(shared_handle):
    net: Program = shared_handle.state.nets.detector.replicas[0]
    one, two = (np.zeros((n, 64, 64, 3), np.uint8) for n in (1, 2))
    assert net.flops(two) == pytest.approx(2 * net.flops(one), rel=0.01)
    assert net.bytes_accessed(one) < net.bytes_accessed(two)


@pytest.mark.pretrained
def test_networks_in_pytorch_compute_what_ours_compute(tools, sample):
    pytest.importorskip("torch", reason="PyTorch, a peer of the benchmark, is not installed")
    benchmark = tools("network_benchmark")
    state = ocr.create_deep_ocr().state
    own = ocr.create_deep_ocr("detection", detection_model="words_small_detection").state
    pages = benchmark.page_inputs(sample, 1, (96, 160))
    lines = benchmark.line_inputs(sample, 2, 160)
    peaks = {"float32": 1.0, "bfloat16": 1.0, "memory": 1.0}
    with benchmark.torch_peer("") as peer:
        for case in benchmark.network_cases(state, own, pages, lines)[:2]:
            found = benchmark.measure_network(case, peaks, 1, 1, peer, "float32", "eager")
            assert found["torch"]["difference_in_float32"] < 1e-4
            assert found["torch_per_s"]["median"] > 0


def test_parameters_of_the_reader_can_be_set(tools):
    benchmark = tools("benchmark")
    call = ["--set=recognition_alphabet=latin", "--set", "detection_tiling=True", "--out=x.json"]
    settings = benchmark.parse([*call, "--parts=reading,stream"]).settings
    assert settings == {
        **benchmark.FAST,
        "recognition_alphabet": "latin",
        "detection_tiling": "True",
    }
    ocr.create_deep_ocr(**settings, detection_device="cpu", recognition_device="cpu")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (["--set=recognition_alphabet=latin"], "for the parts reading and stream"),
        (["--parts=reading", "--set=latin"], "expected NAME=VALUE, got ['latin']"),
    ],
)
def test_what_cannot_be_set_is_told(tools, capsys, call, told):
    with pytest.raises(SystemExit):
        tools("benchmark").parse([*call, "--out=x.json"])
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_pages_alone_are_measured_and_their_share_of_the_step_that_makes_them(tools):
    steps = tools("training_steps")
    pages = steps.measure_pages(1, 64, 0.01, 32)
    assert pages["images_per_s_a_device"] > 0 and pages["images_a_step"] == 1
    pages["images_per_s_a_device"] = 20.0
    common = {"precision": "float32", "images_a_step": 4, "share_of_product_peak": 0.25}
    given = [
        {"step": "recognition", "images_per_s_a_device": 30.0, **common},
        {"step": steps.DETECTION, "images_per_s_a_device": 5.0, **common},
    ]
    found = steps.with_share_of_pages(given, pages)
    assert found[0] == given[0] and found[1] == given[1] | {"share_of_pages": 0.25}
    lines = tools("benchmark_tables").tables({"training": [*found, pages]}).splitlines()
    assert lines[2:] == [
        "| recognition | float32 | 4 | 30.0 | 25 % |  |",
        "| detection by score maps | float32 | 4 | 5.0 | 25 % | 25 % |",
        "| synthetic pages alone | float32 | 1 | 20.0 |  |  |",
    ]


def test_rendered_crops_alone_are_measured(tools):
    found = tools("training_steps").measure_rendering(320, 0.01)
    assert found["canvas_px"] == 320 and found["crops_per_s"] > 1
