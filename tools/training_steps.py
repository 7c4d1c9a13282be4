"""Steps of training on batches that lie ready, and the making of samples alone: how fast."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from deepocr_jax.data.sources import ArraySource
from deepocr_jax.dl.batch_schedule import BatchOptions
from deepocr_jax.dl.recognition_task import make_recognition_task
from deepocr_jax.dl.train_param import RECOGNITION_AUGMENTATION
from deepocr_jax.infer.programs import compiler_options
from deepocr_jax.synth.text_lines import RenderedSource
from deepocr_jax.train.loop import on_device
from deepocr_jax.train.optimizer import OptimizerOptions, hyperparameters
from deepocr_jax.train.page_task import EpochOptions, make_page_task
from deepocr_jax.train.recognition import RecognitionOptions
from deepocr_jax.train.run import Task
from deepocr_jax.train.score_map_task import begin_score_maps, score_map_learner
from deepocr_jax.train.score_maps import ScoreMapOptions
from deepocr_jax.train.state import init_state
from deepocr_jax.train.step import ParallelStep, StepOptions
from deepocr_jax.train.synthetic_pages import synthetic_source
from deepocr_jax.weights.pretrained import load_pretrained

RECOGNIZER, DETECTOR = "ppocrv6_small_recognition", "ppocrv6_small_detection"
DETECTION = "detection by score maps"


@dataclass(frozen=True)
class StepCase:
    """A step to measure: its task, its images on all devices, its compute type."""

    name: str
    task: Task
    images: int
    precision: str = "float32"


def rendered_crops(count: int, width: int) -> ArraySource:
    """Rendered words as a source."""
    rendered = RenderedSource(count, image_width=width)
    crops = [rendered.crop(i) for i in range(count)]
    return ArraySource(crops, [rendered.word(i) for i in range(count)])


def recognition_case(
    name: str,
    source: ArraySource,
    rows: int,
    width: int,
    multiplier: int = 1,
    precision: str = "float32",
) -> StepCase:
    """The pretrained recognizer, all parameters trained, augmented crops."""
    batches = BatchOptions(rows, multiplier, image_width=width)
    options = RecognitionOptions(RECOGNITION_AUGMENTATION, precision)
    task = make_recognition_task(load_pretrained(RECOGNIZER), source, batches, options)
    return StepCase(name, task, rows * multiplier, precision)


def detection_case(
    pages: int, side: int, precision: str = "float32", characters: int = 768
) -> StepCase:
    """The detector by score maps; each step makes its pages on the device, which is counted."""
    source = synthetic_source(pages, side, side, characters_per_page=characters)
    model = begin_score_maps(load_pretrained(DETECTOR))
    learner = score_map_learner(model, ScoreMapOptions(precision=precision))
    task = make_page_task(learner, source, EpochOptions(1, 0))
    return StepCase(DETECTION, task, pages * jax.local_device_count(), precision)


def measure_pages(pages: int, side: int, seconds: float, characters: int = 768) -> dict[str, Any]:
    """Synthetic pages a second on one device, with nothing else done.

    Args:
        pages: Of a call.
        side: Of a page, in pixels.
        seconds: How long they are made.
        characters: Most of a page.
    """
    source = synthetic_source(pages, side, side, characters_per_page=characters)
    assets = jax.device_put(source.assets)
    kind = jax.local_devices()[0].platform
    make = jax.jit(source.make, compiler_options=compiler_options(kind))
    keys = map(jax.random.key, itertools.count())

    def once() -> None:
        jax.block_until_ready(make(assets, next(keys), np.int32(0)))

    once()
    calls, elapsed = timed(once, seconds)
    return {
        "step": "synthetic pages alone",
        "precision": "float32",
        "images_a_step": pages,
        "images_per_s_a_device": round(calls * pages / elapsed, 1),
    }


def with_share_of_pages(steps: list[dict[str, Any]], pages: dict[str, Any]) -> list[dict[str, Any]]:
    """Reports of steps; those that make pages tell the share of their time that pages take.

    Args:
        steps: What `measure_step` reports.
        pages: What `measure_pages` does, of such pages.
    """
    rate = pages["images_per_s_a_device"]
    return [
        step | {"share_of_pages": round(step["images_per_s_a_device"] / rate, 3)}
        if step["step"] == DETECTION
        else step
        for step in steps
    ]


def measure_rendering(width: int, seconds: float) -> dict[str, Any]:
    """Rendered crops a second on one thread of the host, with nothing else done."""
    rendered, numbers = RenderedSource(10**6, image_width=width), itertools.count()
    rendered.crop(next(numbers))  # Looks for the fonts.
    calls, elapsed = timed(lambda: rendered.crop(next(numbers)), seconds)
    return {
        "case": "rendered crops alone, on a thread of the host",
        "canvas_px": width,
        "crops_per_s": round(calls / elapsed, 1),
    }


def timed(function: Callable[[], Any], seconds: float) -> tuple[int, float]:
    """Calls `function` for about so long: (calls, seconds)."""
    start, calls = time.perf_counter(), 0
    while calls < 2 or time.perf_counter() - start < seconds:
        function()
        calls += 1
    return calls, time.perf_counter() - start


def measure_step(case: StepCase, seconds: float, product_peak: float = 0.0) -> dict[str, Any]:
    """Steps a second.

    Args:
        case: The step.
        seconds: How long it is repeated.
        product_peak: FLOP/s of a device; 0: no share is told.
    """
    task = case.task
    optimizer = OptimizerOptions(learning_rate=1e-5)
    kind = jax.local_devices()[0].platform
    step = ParallelStep(task.losses, optimizer, StepOptions(), compiler_options(kind))
    state = init_state(task.params, task.batch_stats, optimizer, 0, average=False)
    state = step.replicate(state)
    stream = task.batches(0, 1)
    given = [next(stream) for _ in task.parts]
    parts = [(role, on_device(b)) for role, b in zip(task.parts, given, strict=True)]
    hyper = {k: np.float32(v) for k, v in hyperparameters(optimizer, 0, 1).items()}
    rest = {"kept": step.replicate(task.constants), "hyper": hyper}
    flop = step.flops(state, parts, rest) if product_peak else 0.0
    began = time.perf_counter()
    state, metrics = step(state, parts, rest)
    jax.block_until_ready(metrics)
    compiled_s = time.perf_counter() - began

    def once() -> None:
        nonlocal state
        state, values = step(state, parts, rest)
        jax.block_until_ready(values)

    calls, elapsed = timed(once, seconds)
    devices = jax.local_device_count()
    report = {
        "step": case.name,
        "precision": case.precision,
        "images_a_step": case.images,
        "first_step_s": round(compiled_s, 2),
        "steps_per_s": round(calls / elapsed, 3),
        "images_per_s_a_device": round(calls * case.images / elapsed / devices, 1),
    }
    if product_peak:
        report["gflop_an_image"] = round(flop * devices / case.images / 1e9, 3)
        report["share_of_product_peak"] = round(flop * calls / elapsed / product_peak, 4)
    return report
