"""A detector by score maps as a learner of pages."""

from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.models.registry import (
    SCORE_MAP_KIND,
    make_model,
    spec_from_dict,
)
from deepocr_jax.models.score_maps import (
    STRIDE,
    score_map_spec,
    to_score_maps,
)
from deepocr_jax.postprocess.score_map_words import ScoreMapParams, find_words
from deepocr_jax.preprocess import normalize
from deepocr_jax.train.fresh_heads import give_fresh_head
from deepocr_jax.train.page_task import PageLearner
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.score_maps import ScoreMapOptions, make_score_map_losses

KIND = SCORE_MAP_KIND


def begin_score_maps(detector: ModelCheckpoint, seed: int = 0) -> ModelCheckpoint:
    """A detector by score maps that begins with another detector's backbone and neck.

    Args:
        detector: Of kind "ocr_detection".
        seed: Of the fresh head.
    """
    spec = score_map_spec(spec_from_dict(detector.kind, detector.spec))
    return give_fresh_head(detector, KIND, spec, "score maps", seed)


def score_map_learner(
    model: ModelCheckpoint,
    options: ScoreMapOptions,
    params: ScoreMapParams | None = None,
) -> PageLearner:
    """What `make_page_task` needs of a detector by score maps.

    Args:
        model: Where training begins, see `begin_score_maps`.
        options: Of the targets and losses.
        params: Thresholds by which words are found for the evaluation.
    """
    spec = spec_from_dict(model.kind, model.spec)
    network: Any = make_model(model.kind, spec)
    thresholds = params or ScoreMapParams()

    @jax.jit
    def score_maps(trained: Tree, images: jax.Array) -> jax.Array:
        return to_score_maps(
            network.apply({"params": trained}, normalize(images, model.preprocess))
        )

    def find(trained: Tree, images: jax.Array) -> list[np.ndarray]:
        maps = np.asarray(score_maps(trained, images))
        return [scale_boxes(find_words(x, thresholds)[0], STRIDE, STRIDE) for x in maps]

    return PageLearner(
        model=model,
        params=model.variables["params"],
        make_losses=lambda make: make_score_map_losses(spec, model.preprocess, options, make),
        find=find,
        trained_on="score maps",
        options=asdict(options),
    )
