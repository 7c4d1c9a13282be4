"""Measures training: steps and crops a second, and the data pipeline alone.

    python tools/benchmark_training.py --out=benchmarks/results/train_cpu.json

Rendered crops, the pretrained recognizer, all parameters trained. Nothing here needs TensorFlow
unless --pipeline=tf.data asks for it. `--seconds` bounds each measurement.
"""

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import deepocr_jax
from deepocr_jax.batch_schedule import BatchOptions
from deepocr_jax.data.sources import ArraySource
from deepocr_jax.dl_train_param import RECOGNITION_AUGMENTATION
from deepocr_jax.infer.programs import compiler_options, enable_compilation_cache
from deepocr_jax.pretrained import load_pretrained, model_cache_dir
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.train.loop import on_device
from deepocr_jax.train.optimizer import OptimizerOptions, hyperparameters
from deepocr_jax.train.recognition import RecognitionOptions
from deepocr_jax.train.state import init_state
from deepocr_jax.train.step import ParallelStep, StepOptions
from deepocr_jax.training import make_recognition_task

GRAPH = "ppocrv6_small_recognition"


@dataclass(frozen=True)
class Case:
    """One measurement of the step."""

    name: str
    batch_size: int
    multiplier: int = 1
    precision: str = "float32"


def timed(function: Any, seconds: float) -> tuple[int, float]:
    """Calls `function` for about so long: (calls, seconds)."""
    start, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - start < seconds:
        function()
        calls += 1
    return calls, time.perf_counter() - start


def measure_step(case: Case, source: ArraySource, seconds: float, width: int) -> dict[str, Any]:
    """Steps a second on batches that lie ready."""
    model = load_pretrained(GRAPH)
    batches = BatchOptions(case.batch_size, case.multiplier, image_width=width)
    options = RecognitionOptions(RECOGNITION_AUGMENTATION, case.precision)
    task = make_recognition_task(model, source, batches, options)
    optimizer = OptimizerOptions(learning_rate=1e-5)
    kind = jax.local_devices()[0].platform
    step = ParallelStep(task.losses, optimizer, StepOptions(), compiler_options(kind))
    state = init_state(task.params, task.batch_stats, optimizer, 0, average=False)
    stream = task.batches(0, 1)
    given = [next(stream) for _ in task.parts]
    parts = [(role, on_device(b)) for role, b in zip(task.parts, given, strict=True)]
    hyper = {k: np.float32(v) for k, v in hyperparameters(optimizer, 0, 1).items()}
    rest = {"kept": {}, "hyper": hyper}
    began = time.perf_counter()
    state, metrics = step(state, parts, rest)
    jax.block_until_ready(metrics)
    compiled_s = time.perf_counter() - began

    def once() -> None:
        nonlocal state
        state, values = step(state, parts, rest)
        jax.block_until_ready(values)

    calls, elapsed = timed(once, seconds)
    return {
        "case": case.name,
        "canvas_px": int(given[0]["image"].shape[2]),
        "rows": case.batch_size * case.multiplier,
        "first_step_s": round(compiled_s, 2),
        "steps_per_s": round(calls / elapsed, 3),
        "crops_per_s": round(calls * case.batch_size * case.multiplier / elapsed, 1),
    }


def measure_pipeline(
    source: ArraySource, rows: int, pipeline: str, seconds: float, width: int
) -> dict[str, Any]:
    """Batches a second without any training."""
    model = load_pretrained(GRAPH)
    batches = BatchOptions(rows, image_width=width, pipeline=pipeline)
    task = make_recognition_task(model, source, batches, RecognitionOptions())
    stream: Iterator[Any] = task.batches(0, 10**9)
    next(stream)
    calls, elapsed = timed(lambda: next(stream), seconds)
    close = getattr(stream, "close", None)
    if close is not None:
        close()
    return {
        "case": f"pipeline alone, {pipeline}",
        "rows": rows,
        "crops_per_s": round(calls * rows / elapsed, 1),
    }


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--crops", type=int, default=512)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--pipeline", action="append", default=[])
    arguments = parser.parse_args()
    enable_compilation_cache(model_cache_dir() / "xla")
    rendered = RenderedSource(arguments.crops, image_width=arguments.width)
    crops = [rendered.crop(i) for i in range(len(rendered))]
    source = ArraySource(crops, [rendered.word(i) for i in range(len(rendered))])
    size, seconds, width = arguments.batch_size, arguments.seconds, arguments.width
    cases = [
        Case("float32", size),
        Case("float32, 4 parts of a quarter", size // 4, 4),
        Case("bfloat16", size, precision="bfloat16"),
    ]
    results = [measure_step(case, source, seconds, width) for case in cases]
    for pipeline in arguments.pipeline or ["threads"]:
        results.append(measure_pipeline(source, size, pipeline, seconds / 2, width))
    device = jax.local_devices()[0]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    report = {
        "device": f"{jax.local_device_count()} x {device.device_kind}",
        "processor": platform.processor() or platform.machine(),
        "versions": {"deepocr_jax": deepocr_jax.__version__, "jax": jax.__version__},
        "commit": commit.strip(),
        "results": results,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
