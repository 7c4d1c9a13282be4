"""A detector by differentiable binarization learns two pages by heart."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from toy_pages import ToyPages, dense_page, stack

from deepocr_jax.checkpoint import flat_items, read_checkpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.detector import THRESHOLD_HEAD, DBTrainingNetwork, Detector
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.train.db import DBOptions
from deepocr_jax.train.db_task import db_learner
from deepocr_jax.train.learners import needs_characters, page_learner
from deepocr_jax.train.loop import train
from deepocr_jax.train.optimizer import OptimizerOptions
from deepocr_jax.train.page_task import EpochOptions, make_page_task
from deepocr_jax.train.pages import PageSource
from deepocr_jax.train.run import RunOptions
from deepocr_jax.train.score_map_task import begin_score_maps
from deepocr_jax.train.step import StepOptions

SIDE = 128


def give(assets, key, step):
    """The pages of the assets, whatever the key."""
    return ToyPages(*(assets[name] for name in ToyPages._fields))


@pytest.mark.slow
def test_two_pages_are_learnt_by_heart(calm_detector, tmp_path):
    pages = stack(*(dense_page(k, side=SIDE, size=18, leading=1.6) for k in (3, 4)))
    source = PageSource(give, pages._asdict(), 2, "toy")
    learner = db_learner(calm_detector, DBOptions())
    task = make_page_task(learner, source, EpochOptions(60, 1))
    optimizer = OptimizerOptions(
        "adamw", 1e-2, gradient_clip=1.0, schedule="cosine", warmup_steps=10
    )
    options = RunOptions(2, optimizer, StepOptions(0.9), serialize=("best",))
    outcome = train(task, options, tmp_path)
    losses = outcome.history.losses
    assert losses[-1][1] < 0.4 * losses[0][1]
    assert outcome.history.best is not None
    assert outcome.history.best["f_score"] > 0.9
    best = read_checkpoint(tmp_path / "best")
    assert best.kind == "ocr_detection"
    assert {p for p, _ in flat_items(best.variables)} == {
        p for p, _ in flat_items(calm_detector.variables)
    }


def test_the_network_in_training_has_the_detector_in_it(shallow_detector):
    spec = spec_from_dict(shallow_detector.kind, shallow_detector.spec)
    params = db_learner(shallow_detector, DBOptions()).params
    x = np.random.default_rng(0).standard_normal((1, 64, 96, 3)).astype(np.float32)
    wanted = jax.eval_shape(DBTrainingNetwork(spec).init, jax.random.key(0), x)["params"]
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, wanted)
    text, threshold = jax.jit(DBTrainingNetwork(spec).apply)({"params": params}, x)
    np.testing.assert_allclose(
        jax.nn.sigmoid(text),
        jax.jit(Detector(spec).apply)(shallow_detector.variables, x),
        atol=1e-5,
    )
    # The fresh branch begins at one half.
    np.testing.assert_array_equal(threshold, 0)


def test_the_kind_of_the_model_decides(shallow_detector, tiny_recognizer):
    regions, words = shallow_detector, begin_score_maps(shallow_detector)
    assert THRESHOLD_HEAD in page_learner(regions).params and not needs_characters(regions)
    assert THRESHOLD_HEAD not in page_learner(words).params and needs_characters(words)
    assert page_learner(regions, "bfloat16").options["precision"] == "bfloat16"
    with pytest.raises(ParameterValueError, match="expected a detector"):
        page_learner(tiny_recognizer)
