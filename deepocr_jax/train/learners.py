"""The kinds of detectors that learn from pages."""

from dataclasses import replace

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.registry import SCORE_MAP_KIND
from deepocr_jax.train.db import DBOptions
from deepocr_jax.train.db_task import db_learner
from deepocr_jax.train.page_task import PageLearner
from deepocr_jax.train.score_map_task import score_map_learner
from deepocr_jax.train.score_maps import ScoreMapOptions


def page_learner(model: ModelCheckpoint, precision: str = "float32", seed: int = 0) -> PageLearner:
    """A detector with the documented options of its kind.

    Args:
        model: Of either kind of detectors.
        precision: Compute type, "float32" or "bfloat16".
        seed: Of what begins afresh.

    Raises:
        ParameterValueError: A model of another type.
    """
    if model.kind == SCORE_MAP_KIND:
        return score_map_learner(model, replace(ScoreMapOptions(), precision=precision))
    if model.kind == "ocr_detection":
        return db_learner(model, replace(DBOptions(), precision=precision), seed)
    raise ParameterValueError(f"expected a detector, got a model of type {model.kind!r}")


def needs_characters(model: ModelCheckpoint) -> bool:
    """Whether a detector learns from the cells of characters, or from boxes alone."""
    return model.kind == SCORE_MAP_KIND
