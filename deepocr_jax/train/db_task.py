"""A detector by differentiable binarization as a learner of pages."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.models.detector import THRESHOLD_HEAD, init_threshold_head
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.postprocess.db_regions import RegionParams, find_regions
from deepocr_jax.preprocess import normalize
from deepocr_jax.train.db import DBOptions, make_db_losses
from deepocr_jax.train.page_task import PageLearner
from deepocr_jax.train.parameters import Tree


def db_learner(
    model: ModelCheckpoint,
    options: DBOptions,
    seed: int = 0,
    params: RegionParams | None = None,
) -> PageLearner:
    """What `make_page_task` needs of a detector by differentiable binarization.

    The branch of the threshold map begins afresh and stays behind when the model is written.

    Args:
        model: Where training begins, of kind "ocr_detection".
        options: Of the targets and losses.
        seed: Of the fresh branch.
        params: Thresholds by which regions are found for the evaluation.
    """
    spec = spec_from_dict(model.kind, model.spec)
    branch = init_threshold_head(jax.random.key(seed), spec)
    return PageLearner(
        model=model,
        params={**model.variables["params"], THRESHOLD_HEAD: branch},
        make_losses=lambda make: make_db_losses(spec, model.preprocess, options, make),
        find=make_page_finder(model, params or RegionParams()),
        trained_on="text regions",
        options={**asdict(options), "threshold_seed": seed},
    )


def make_page_finder(
    model: ModelCheckpoint, thresholds: RegionParams
) -> Callable[[Tree, jax.Array], list[np.ndarray]]:
    """(a detector's parameters, images) -> the boxes found on each; see `PageLearner`."""
    network: Any = make_model(model.kind, spec_from_dict(model.kind, model.spec))

    @jax.jit
    def probability(trained: Tree, images: jax.Array) -> jax.Array:
        return network.apply({"params": trained}, normalize(images, model.preprocess))

    def find(trained: Tree, images: jax.Array) -> list[np.ndarray]:
        return [find_regions(x, thresholds)[0] for x in np.asarray(probability(trained, images))]

    return find
