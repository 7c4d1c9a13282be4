import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.losses.db import (
    DBLossOptions,
    DBTargets,
    binarize,
    db_losses,
    dice_loss,
    masked_distance,
)

OPTIONS = DBLossOptions()


def example(seed=0, n=2, side=16, text=0.1):
    """Logits of both heads, and targets with some text and some pixels that do not count."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((2, n, side, side))
    shape = (n, side, side)
    targets = DBTargets(
        text=rng.random(shape) < text,
        text_mask=rng.random(shape) < 0.9,
        threshold=rng.uniform(0.3, 0.7, shape),
        threshold_mask=rng.random(shape) < 0.3,
    )
    as_float = [np.asarray(x, np.float32) for x in (*logits, *targets)]
    return as_float[0], as_float[1], DBTargets(*as_float[2:])


def slow_losses(text_logits, threshold_logits, targets, o):
    """The three losses of one image, pixel by pixel, in float64."""
    texts, backgrounds = [], []
    shared = found = wanted = 0.0
    distances = []
    columns = [x.ravel().astype(float) for x in (text_logits, threshold_logits, *targets)]
    for text, threshold, y, counts, t, t_counts in zip(*columns, strict=True):
        p, q = 1 / (1 + np.exp(-text)), 1 / (1 + np.exp(-threshold))
        if counts:
            (texts if y else backgrounds).append(-np.log(p if y else 1 - p))
            binary = 1 / (1 + np.exp(-o.steepness * (p - q)))
            shared, found, wanted = shared + binary * y, found + binary, wanted + y
        if t_counts:
            distances.append(abs(q - t))
    most = int(max(o.negative_ratio * len(texts), int(o.least_negatives * text_logits.size)))
    counted = texts + sorted(backgrounds, reverse=True)[:most]
    dice = 1 - 2 * shared / (found + wanted) if wanted else 0.0
    return np.mean(counted), dice, np.mean(distances) if distances else 0.0


@pytest.mark.parametrize("text", [0.1, 0.5, 0.0])
def test_losses_are_those_of_the_slow_ones(text):
    text_logits, threshold_logits, targets = example(text=text)
    actual = jax.jit(db_losses, static_argnums=3)(text_logits, threshold_logits, targets, OPTIONS)
    for index in range(2):
        one = DBTargets(*(t[index] for t in targets))
        expected = slow_losses(text_logits[index], threshold_logits[index], one, OPTIONS)
        np.testing.assert_allclose([x[index] for x in actual], expected, rtol=1e-4)
    total = actual.probability + actual.binary + 10 * actual.threshold
    np.testing.assert_allclose(actual.total(OPTIONS), total, rtol=1e-6)


def test_what_does_not_count_has_no_gradient_and_changes_nothing():
    text_logits, threshold_logits, targets = example()

    def total(text_logits, threshold_logits):
        return db_losses(text_logits, threshold_logits, targets).total(OPTIONS)

    gradients = jax.grad(lambda *x: total(*x).sum(), argnums=(0, 1))(text_logits, threshold_logits)
    unknown = np.asarray(targets.text_mask) == 0
    nowhere = unknown & (np.asarray(targets.threshold_mask) == 0)
    assert np.all(np.asarray(gradients[0])[unknown] == 0)
    assert np.all(np.asarray(gradients[1])[nowhere] == 0)
    assert all(np.abs(g).max() > 0 for g in gradients)
    np.testing.assert_allclose(
        total(np.where(unknown, 9.0, text_logits), np.where(nowhere, -9.0, threshold_logits)),
        total(text_logits, threshold_logits),
        rtol=1e-5,
    )


def test_the_wanted_maps_cost_nothing():
    _, _, targets = example()
    text_logits = 40 * (targets.text - 0.5)
    threshold_logits = np.log(targets.threshold / (1 - targets.threshold))
    for values in db_losses(jnp.asarray(text_logits), jnp.asarray(threshold_logits), targets):
        np.testing.assert_allclose(values, 0, atol=1e-4)


def test_the_binary_map_is_steep_about_the_threshold():
    values = binarize(jnp.array([0.4, 0.5, 0.6]), jnp.full(3, 0.5), 50.0)
    np.testing.assert_allclose(values, [1 / (1 + np.e**5), 0.5, 1 / (1 + np.e**-5)], rtol=1e-5)


def test_dice_of_known_overlaps():
    wanted = np.zeros((3, 4, 4), np.float32)
    wanted[:2, :2] = 1  # Eight pixels each; the third page has none.
    found = np.zeros((3, 4, 4), np.float32)
    found[0, :2], found[1, 1:3], found[2] = 1, 1, 1
    np.testing.assert_allclose(dice_loss(found, wanted, np.ones_like(wanted)), [0, 0.5, 0])


def test_distance_of_pages_without_text():
    zeros = np.zeros((1, 4, 4), np.float32)
    np.testing.assert_array_equal(masked_distance(zeros, zeros + 1, zeros), 0)
    gradient = jax.grad(lambda x: db_losses(x, x, DBTargets(*[zeros] * 4)).total(OPTIONS).sum())
    assert np.isfinite(gradient(zeros)).all()
