import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.losses.score_maps import (
    ScoreMapLossOptions,
    balanced_loss,
    direction_loss,
    hardest,
    score_divergence,
    score_map_losses,
)

OPTIONS = ScoreMapLossOptions()


def example(seed=0, n=3, side=24):
    """Raw maps, wanted ones with a tenth of text, and weights of which some are zero."""
    rng = np.random.default_rng(seed)
    raw = 2 * rng.standard_normal((n, side, side, 4))
    scores = rng.random((n, side, side, 2)) * (rng.random((n, side, side, 2)) < 0.1)
    angle = rng.uniform(-np.pi, np.pi, (n, side, side))
    wanted = np.concatenate([scores, np.sin(angle)[..., None], np.cos(angle)[..., None]], axis=-1)
    weights = rng.choice([0.0, 0.3, 1.0], (n, side, side), p=[0.1, 0.2, 0.7])
    return tuple(a.astype(np.float32) for a in (raw, wanted, weights))


def slow_balanced(logits, wanted, weights, options):
    """The same for one image, pixel by pixel, in float64."""
    texts, backgrounds = [], []
    for logit, y, weight in zip(logits.ravel(), wanted.ravel(), weights.ravel(), strict=True):
        if weight == 0:
            continue
        p = 1 / (1 + np.exp(-float(logit)))
        y = float(y)
        value = -y * np.log(p) - (1 - y) * np.log(1 - p)
        value += sum(v * np.log(v) for v in (y, 1 - y) if v > 0)
        (texts if y >= options.positive_score else backgrounds).append(weight * value)
    most = int(max(options.negative_ratio * len(texts), int(options.least_negatives * logits.size)))
    counted = texts + sorted(backgrounds, reverse=True)[:most]
    return np.sum(counted) / len(counted)


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_balanced_loss_is_that_of_the_slow_one(ratio):
    raw, wanted, weights = example()
    options = ScoreMapLossOptions(negative_ratio=ratio)
    actual = jax.jit(balanced_loss, static_argnums=3)(raw[..., 0], wanted[..., 0], weights, options)
    pairs = zip(raw[..., 0], wanted[..., 0], weights, strict=True)
    np.testing.assert_allclose(actual, [slow_balanced(*p, options) for p in pairs], rtol=1e-4)


def test_a_blank_page_still_has_negatives():
    raw, wanted, weights = example()
    blank = np.zeros_like(wanted[..., 0])
    actual = balanced_loss(raw[..., 0], blank, weights, OPTIONS)
    pairs = zip(raw[..., 0], blank, weights, strict=True)
    np.testing.assert_allclose(actual, [slow_balanced(*p, OPTIONS) for p in pairs], rtol=1e-4)
    assert np.all(np.asarray(actual) > 1)


def test_the_hardest_are_chosen_among_the_candidates():
    values = jnp.array([[5.0, 1.0, 3.0, 4.0, 2.0], [1.0, 2.0, 2.0, 0.0, 9.0]])
    candidates = jnp.array([[False, True, True, True, True], [True, True, True, True, False]])
    chosen = hardest(values, candidates, jnp.array([2, 1]))
    # Of the two that are alike both are taken.
    np.testing.assert_array_equal(chosen, [[0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])
    np.testing.assert_array_equal(
        hardest(values, candidates, jnp.array([0, 99])).sum(axis=1), [0, 4]
    )


def test_three_background_pixels_count_for_each_of_text():
    raw, wanted, _ = example()
    gradient = jax.grad(
        lambda x: balanced_loss(x, wanted[..., 0], jnp.ones(x.shape), OPTIONS).sum()
    )(raw[..., 0])
    texts = wanted[..., 0] >= OPTIONS.positive_score
    counted = np.asarray(gradient) != 0
    np.testing.assert_array_equal((counted & ~texts).sum(axis=(1, 2)), 3 * texts.sum(axis=(1, 2)))


def test_ignored_pixels_have_no_gradient_and_change_nothing():
    raw, wanted, weights = example()

    def total(raw, wanted):
        return score_map_losses(raw, wanted, weights, OPTIONS).total(OPTIONS)

    gradient = np.asarray(jax.grad(lambda x: total(x, wanted).sum())(raw))
    assert np.all(gradient[weights == 0] == 0) and np.abs(gradient).max() > 0
    ignored = (weights == 0)[..., None]
    np.testing.assert_allclose(
        total(np.where(ignored, 9.0, raw), np.where(ignored, 0.7, wanted)),
        total(raw, wanted),
        rtol=1e-6,
    )


def test_the_wanted_maps_cost_nothing():
    _, wanted, weights = example()
    scores = np.clip(wanted[..., :2], 1e-6, 1 - 1e-6)
    raw = np.concatenate([np.log(scores / (1 - scores)), wanted[..., 2:]], axis=-1)
    losses = score_map_losses(jnp.asarray(raw), wanted, weights, OPTIONS)
    for values in losses:
        np.testing.assert_allclose(values, 0, atol=1e-4)


@pytest.mark.parametrize(("turn", "expected"), [(0.0, 0.0), (np.pi / 2, 1.0), (np.pi, 2.0)])
def test_direction_loss_grows_with_the_angle(turn, expected):
    _, wanted, weights = example()
    angle = np.arctan2(wanted[..., 2], wanted[..., 3]) + turn
    vectors = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    values = direction_loss(jnp.asarray(vectors), wanted[..., 2:], weights)
    np.testing.assert_allclose(values, expected, atol=1e-4)
    nothing = direction_loss(jnp.asarray(vectors), wanted[..., 2:], np.zeros_like(weights))
    np.testing.assert_array_equal(nothing, 0)


def test_extreme_logits_stay_finite():
    logits, wanted = jnp.array([-1e4, 1e4, 0.0, -30.0]), jnp.array([1.0, 0.0, 0.5, 0.0])
    values, gradients = jax.vmap(jax.value_and_grad(score_divergence))(logits, wanted)
    assert np.isfinite(values).all() and np.isfinite(gradients).all()
    np.testing.assert_allclose(values, [1e4, 1e4, 0, 0], atol=1e-6)
    zero = jax.grad(lambda v: direction_loss(v, v + 1, jnp.ones((1, 2, 2))).sum())(
        jnp.zeros((1, 2, 2, 2))
    )
    assert np.isfinite(zero).all()
