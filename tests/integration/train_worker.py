"""A process that trains the tiny recognizer, for tests that need several, or one to kill.

python train_worker.py '{"out": "result.npz", "devices": 4, ...}'
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.checkpoint import ModelCheckpoint, flat_items, write_checkpoint
from deepocr_jax.dl.reading_accuracy import evaluate_recognition
from deepocr_jax.dl.recognition_task import with_variables
from deepocr_jax.models.lcnet import BlockSpec, LCNetSpec
from deepocr_jax.models.recognizer import RecognizerSpec
from deepocr_jax.models.registry import spec_to_dict
from deepocr_jax.preprocess import Preprocess
from deepocr_jax.train.loop import Outcome, train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.recognition import (
    DATASET,
    REHEARSAL,
    TEACHER,
    RecognitionOptions,
    make_recognition_losses,
)
from deepocr_jax.train.run import RunOptions, StepReport, Task, Watcher
from deepocr_jax.train.step import StepOptions

ALPHABET = "0123456789"
CLASSES = 1 + len(ALPHABET)
# Rows and canvas of each part of a step.
PARTS = {DATASET: (8, 64), REHEARSAL: (4, 96)}
# One block a stage, so that it is compiled within seconds.
STAGES = ((BlockSpec(16, (2, 1), squeeze=True),), (BlockSpec(32, (2, 1)),))
SPEC = RecognizerSpec(LCNetSpec(8, STAGES), 16, CLASSES, neck_depth=1, num_heads=2)
# Without compression: it rounds, which makes large differences of the smallest ones.
STRONG = AugmentOptions(100.0, brightness_variation=0.2, rotate_range=5.0, blur=1.0, noise=10.0)


@dataclass(frozen=True)
class Job:
    """What a worker does.

    Attributes:
        out: Where its losses and variables go.
        devices: Virtual CPU devices of this process.
        processes: How many processes train together.
        rank: The number of this one.
        port: Where they meet.
        steps: Steps an epoch.
        epochs: Epochs.
        filling: Rows of the dataset's part of every third step that only fill it.
        solver: The optimizer.
        workdir: Where states are kept; None: nowhere.
        pause_s: Slept after each step, after printing its number.
        crops: So many are read by the untrained recognizer, and their figures kept.
    """

    out: str
    devices: int = 1
    processes: int = 1
    rank: int = 0
    port: int = 0
    steps: int = 10
    epochs: int = 1
    filling: int = 0
    solver: str = "sgd"
    workdir: str | None = None
    pause_s: float = 0.0
    crops: int = 0


class RandomCrops:
    """Crops of noise with random words, a `CropSource`."""

    fingerprint = "noise"

    def __init__(self, count: int) -> None:
        self.ids = range(100, 100 + count)
        self.widths = np.random.default_rng(5).integers(64, 161, count)

    def __len__(self) -> int:
        return len(self.ids)

    def word(self, index: int) -> str:
        return "".join(np.random.default_rng([6, index]).choice(list(ALPHABET), 3))

    def crop(self, index: int) -> np.ndarray:
        shape = (48, int(self.widths[index]), 3)
        return np.random.default_rng([7, index]).integers(0, 256, shape).astype(np.uint8)


def make_rows(job: Job, step: int, role: str) -> dict[str, np.ndarray]:
    """This process's rows of a part, which is a pure function of the step."""
    size, width = PARTS[role]
    rng = np.random.default_rng([11, step, size])
    lengths = rng.integers(0, 4, size)
    mask = np.ones(size, np.float32)
    if step % 3 == 2 and role == DATASET:
        mask[size - job.filling :] = 0
    batch = {
        "image": rng.integers(0, 256, (size, 48, width, 3)).astype(np.uint8),
        "width": rng.integers(width // 2, width + 1, size).astype(np.int32),
        "label": rng.integers(1, CLASSES, (size, width // 8)).astype(np.int32),
        "label_length": lengths.astype(np.int32),
        "mask": mask,
        "image_id": 100 * step + np.arange(size),
    }
    share = size // job.processes
    rows = slice(job.rank * share, (job.rank + 1) * share)
    return {name: value[rows] for name, value in batch.items()}


def random_variables(spec):
    path = Path(__file__).resolve().parents[1] / "conftest.py"
    found = importlib.util.spec_from_file_location("fixtures", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.random_model("ocr_recognition", spec, (1, 48, 64, 3)).variables


def make_task(job: Job) -> Task:
    variables = random_variables(SPEC)
    options = RecognitionOptions(
        augmentation=STRONG, update_batch_statistics=True, distillation_weight=1.0
    )

    def evaluate(variables):
        return {"accuracy": float(np.abs(variables["params"]["head"]["kernel"]).mean())}

    def save_model(variables, folder: Path):
        model = ModelCheckpoint("ocr_recognition", spec_to_dict(SPEC), {})
        write_checkpoint(folder, with_variables(model, variables))

    return Task(
        losses=make_recognition_losses(SPEC, Preprocess(), options),
        parts=(*PARTS, *PARTS),
        params=variables["params"],
        constants={TEACHER: variables},
        batch_stats=variables["batch_stats"],
        batches=lambda start, stop: (
            make_rows(job, 2 * step + turn, role)
            for step in range(start, stop)
            for turn in range(2)
            for role in PARTS
        ),
        steps_per_epoch=job.steps,
        evaluate=evaluate if job.workdir else None,
        save_model=save_model,
        fingerprint="worker",
    )


def run(job: Job) -> tuple[Outcome, list[float]]:
    losses = []

    def on_step(report: StepReport) -> None:
        losses.append(report.metrics["total_loss"])
        if job.pause_s:
            print(report.step, flush=True)
            time.sleep(job.pause_s)

    average = 0.9 if job.workdir else 0.0
    options = RunOptions(
        num_epochs=job.epochs,
        optimizer=OptimizerOptions(job.solver, 1e-3, gradient_clip=1.0, warmup_steps=3),
        step=StepOptions(average_decay=average),
        serialize=("best", "current", "final"),
        save_interval_s=4 * job.pause_s,
    )
    folder = Path(job.workdir) if job.workdir else None
    return train(make_task(job), options, folder, Watcher(on_step=on_step)), losses


def figures(count: int) -> dict[str, Any]:
    """What `evaluate_recognition` finds on random crops, by all processes together."""
    variables = random_variables(SPEC)
    model = ModelCheckpoint(
        "ocr_recognition", spec_to_dict(SPEC), variables, alphabet=tuple(ALPHABET)
    )
    return dict(evaluate_recognition(model, RandomCrops(count), image_width=320).compute())


def main(job: Job) -> None:
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", job.devices)
    if job.processes > 1:
        address = f"127.0.0.1:{job.port}"
        jax.distributed.initialize(address, job.processes, job.rank)
    assert jax.device_count() == job.devices * job.processes
    outcome, losses = run(job)
    assert outcome.finished
    arrays: dict[str, Any] = {"losses": np.array(losses), **dict(flat_items(outcome.variables))}
    if job.crops:
        arrays["figures"] = np.array(json.dumps(figures(job.crops), sort_keys=True))
    np.savez(job.out, **arrays)


if __name__ == "__main__":
    main(Job(**json.loads(sys.argv[1])))
