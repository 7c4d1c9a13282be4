"""A task that costs nothing: noisy linear regression, with all that a real one has."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.train.parameters import join_parameters
from deepocr_jax.train.run import Task
from deepocr_jax.train.step import Losses

FEATURES, ROWS = 3, 8
WEIGHTS = np.array([[1.0], [-2.0], [0.5]], np.float32)
PARAMS = {
    "frozen": {"kernel": np.full((FEATURES, 1), 0.1, np.float32)},
    "linear": {"kernel": np.zeros((FEATURES, 1), np.float32), "bias": np.zeros(1, np.float32)},
}
BATCH_STATS = {"norm": {"mean": np.zeros(FEATURES, np.float32)}}


def linear_loss(trained, kept, stats, batch, key):
    """Squared errors; the input is disturbed by noise of its row, as by an augmentation."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch["row"])
    noise = 0.1 * jax.vmap(lambda k: jax.random.normal(k, (FEATURES,)))(keys)
    x = batch["x"] + noise
    params = join_parameters(trained, kept)
    kernel = params["linear"]["kernel"] + params["frozen"]["kernel"]
    error = (x @ kernel + params["linear"]["bias"])[:, 0] - batch["y"]
    count = jnp.maximum(batch["mask"].sum(), 1)
    mean = (batch["x"] * batch["mask"][:, None]).sum(axis=0) / count
    new = {"norm": {"mean": 0.9 * stats["norm"]["mean"] + 0.1 * mean}}
    return Losses(error**2, {"absolute_error": jnp.abs(error)}, new)


def make_rows(step, rows=ROWS, filling=0):
    """A batch as a pure function of the step; the last rows only fill it."""
    rng = np.random.default_rng([7, step])
    x = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    mask = np.ones(rows, np.float32)
    mask[rows - filling :] = 0
    return {
        "x": x,
        "y": (x @ WEIGHTS)[:, 0],
        "mask": mask,
        "image_id": np.where(mask > 0, 100 * step + np.arange(rows), -1),
    }


def stream(start, stop):
    for step in range(start, stop):
        yield make_rows(step, filling=2 if step % 3 == 2 else 0)


def evaluate(variables):
    error = variables["params"]["linear"]["kernel"] + 0.1 - WEIGHTS
    return {"accuracy": float(1 / (1 + np.abs(error).sum())), "character_error_rate": 0.5}


def save_model(variables, folder: Path):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(jax.tree.map(lambda x: x.tolist(), variables["params"]))
    (folder / "model.json").write_text(text, encoding="utf-8")


def read_model(folder: Path):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def linear_task(**changes):
    """The task: epochs of four steps."""
    parts = {
        "losses": {"linear": linear_loss},
        "parts": ("linear",),
        "params": PARAMS,
        "constants": {},
        "batch_stats": BATCH_STATS,
        "batches": stream,
        "steps_per_epoch": 4,
        "evaluate": evaluate,
        "save_model": save_model,
        "fingerprint": "linear",
    }
    return Task(**{**parts, **changes})
