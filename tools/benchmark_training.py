"""Measures training: steps and crops a second, and the data pipeline alone.

    python tools/benchmark_training.py --out=benchmarks/results/train_cpu.json

Rendered crops, the pretrained recognizer, all parameters trained; pages made on the device, the
detector by score maps, and which share of its step the pages take. Nothing here needs TensorFlow
unless --pipeline=tf.data asks for it. `--seconds` bounds each measurement.
"""

import argparse
import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from machine_peaks import machine_peaks
from training_steps import (
    RECOGNIZER,
    detection_case,
    measure_pages,
    measure_rendering,
    measure_step,
    recognition_case,
    rendered_crops,
    timed,
    with_share_of_pages,
)

import deepocr_jax
from deepocr_jax.data.sources import ArraySource
from deepocr_jax.dl.batch_schedule import BatchOptions
from deepocr_jax.dl.recognition_task import make_recognition_task
from deepocr_jax.infer.programs import enable_compilation_cache
from deepocr_jax.train.recognition import RecognitionOptions
from deepocr_jax.weights.model_cache import model_cache_dir
from deepocr_jax.weights.pretrained import load_pretrained


def measure_pipeline(
    source: ArraySource, rows: int, pipeline: str, seconds: float, width: int
) -> dict[str, Any]:
    """Batches a second without any training."""
    model = load_pretrained(RECOGNIZER)
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
    parser.add_argument("--pages", type=int, default=4, help="pages of a detector's step")
    parser.add_argument("--side", type=int, default=512, help="of those pages, in pixels")
    parser.add_argument("--pipeline", action="append", default=[])
    arguments = parser.parse_args()
    enable_compilation_cache(model_cache_dir() / "xla")
    source = rendered_crops(arguments.crops, arguments.width)
    size, seconds, width = arguments.batch_size, arguments.seconds, arguments.width
    cases = [
        recognition_case("recognition", source, size, width),
        recognition_case("recognition, 4 parts of a quarter", source, size // 4, width, 4),
        recognition_case("recognition", source, size, width, precision="bfloat16"),
        detection_case(arguments.pages, arguments.side),
    ]
    device = jax.local_devices()[0]
    peaks = machine_peaks(device)
    results = [measure_step(case, seconds, peaks[case.precision]) for case in cases]
    pages = measure_pages(arguments.pages, arguments.side, seconds)
    results = [*with_share_of_pages(results, pages), pages]
    results.append(measure_rendering(width, seconds / 2))
    for pipeline in arguments.pipeline or ["threads"]:
        results.append(measure_pipeline(source, size, pipeline, seconds / 2, width))
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
