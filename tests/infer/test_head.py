"""The head at inference: best classes and their probabilities, without a full sort or softmax."""

import functools

import jax
import numpy as np
import pytest

from deepocr_jax.infer.head import MOST_LOGITS, logits, odds, sliced_head
from deepocr_jax.infer.recognizer import _best_candidates_of_rows

FEATURES, CLASSES = 12, 700


@pytest.fixture(scope="module")
def head():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(FEATURES, CLASSES)).astype(np.float32)
    bias = rng.normal(size=CLASSES).astype(np.float32)
    every = np.arange(CLASSES)
    return sliced_head({"kernel": kernel, "bias": bias}, every, every, 0)


def softmax(values):
    shares = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


# Of small features all classes are about as likely; with large ones some are 60 above the blank.
@pytest.mark.parametrize("scale", [0.01, 1.0, 6.0])
def test_candidates_are_the_best_of_the_softmax(head, scale):
    rows = scale * np.random.default_rng(1).normal(size=(40, FEATURES)).astype(np.float32)
    best = jax.jit(functools.partial(_best_candidates_of_rows, 4))
    confidences, classes = map(np.asarray, best(head, rows))
    every = np.asarray(logits(head, rows))
    expected = np.argsort(-every, axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(classes, expected)
    shares = np.take_along_axis(softmax(every), expected, axis=1)
    above = every.max(axis=1) - every[:, 0]
    within = above < MOST_LOGITS
    assert within.sum() >= 20 and (scale < 6 or not within.all())
    np.testing.assert_allclose(confidences[within], shares[within], rtol=1e-4, atol=1e-12)
    assert np.isfinite(confidences).all() and (confidences <= 1).all()


def test_odds_do_not_overflow():
    values = np.array([[0.0, 500.0, -500.0]], np.float32)
    found = np.asarray(odds(values, values[:, :1]))
    assert found[0, 0] == 1 and found[0, 2] == 0
    assert 1e20 < found[0, 1] < np.finfo(np.float32).max / 20_000
