"""The loss against slow oracles in float64: the recursion, and the sum over all paths."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepocr_jax.losses.ctc import ctc_loss

BLANK = 0
loss_of = jax.jit(ctc_loss)
gradient_of = jax.jit(jax.grad(lambda *arguments: ctc_loss(*arguments).sum()))


def log_probabilities(logits):
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def loss_by_recursion(logits, label):
    """Equations 6 to 8 of Graves et al. for one row, as they stand: infinite if impossible."""
    logs = log_probabilities(logits)
    states = [BLANK]
    for character in label:
        states += [character, BLANK]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = logs[0, states[:2]]
    for frame in logs[1:]:
        before, alpha = alpha, np.full(len(states), -np.inf)
        for s, state in enumerate(states):
            ways = [before[s], before[s - 1] if s > 0 else -np.inf]
            if s > 1 and state != BLANK and state != states[s - 2]:
                ways.append(before[s - 2])
            alpha[s] = np.logaddexp.reduce(ways) + frame[state]
    return -np.logaddexp.reduce(alpha[-2:])


def loss_by_enumeration(logits, label):
    """The probability of all paths that read as the label."""
    logs = log_probabilities(logits)
    frames, classes = logs.shape
    total = -np.inf
    for path in itertools.product(range(classes), repeat=frames):
        runs = [character for character, _ in itertools.groupby(path)]
        if [c for c in runs if c != BLANK] == list(label):
            total = np.logaddexp(total, sum(logs[t, c] for t, c in enumerate(path)))
    return -total


def gradient_by_differences(logits, label, step=1e-5):
    gradient = np.zeros(logits.shape)
    for place in np.ndindex(logits.shape):
        for sign in (1, -1):
            moved = logits.astype(np.float64)
            moved[place] += sign * step
            gradient[place] += sign * loss_by_recursion(moved, label) / (2 * step)
    return gradient


def arrays(labels, length):
    padded = np.zeros((len(labels), length), np.int32)
    for row, label in enumerate(labels):
        padded[row, : len(label)] = label
    return padded, np.array([len(label) for label in labels], np.int32)


def noise(*shape, seed=0, scale=2.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


# Empty, single, repeated, as long as the frames allow with and without repeats.
LABELS = [(), (1,), (1, 1), (1, 2), (2, 1, 2), (1, 1, 2), (2, 2, 2), (1, 2, 1, 2, 1)]


@pytest.mark.parametrize("label", LABELS, ids=str)
def test_loss_is_the_sum_over_all_paths(label):
    logits = noise(1, 5, 3, seed=len(label))
    expected = loss_by_enumeration(logits[0], label)
    assert np.isclose(loss_by_recursion(logits[0], label), expected, rtol=1e-12)
    np.testing.assert_allclose(loss_of(logits, *arrays([label], 5)), expected, rtol=1e-5)


def test_gradient_is_that_of_the_recursion():
    logits = noise(len(LABELS), 5, 3, seed=1)
    gradient = gradient_of(logits, *arrays(LABELS, 5))
    expected = [gradient_by_differences(x, label) for x, label in zip(logits, LABELS, strict=True)]
    np.testing.assert_allclose(gradient, expected, atol=2e-5)


def test_many_frames_and_classes():
    rng = np.random.default_rng(2)
    labels = [tuple(rng.integers(1, 5000, n)) for n in (0, 1, 20, 39)] + [(7,) * 20]
    logits = noise(len(labels), 40, 5000)
    expected = [loss_by_recursion(x, label) for x, label in zip(logits, labels, strict=True)]
    np.testing.assert_allclose(loss_of(logits, *arrays(labels, 40)), expected, rtol=1e-5)


def test_values_and_gradients_are_those_of_optax():
    rng = np.random.default_rng(3)
    lengths = np.array([0, 3, 6, 4], np.int32)
    labels = rng.integers(1, 6, (4, 6)).astype(np.int32)
    labels[3, :4] = 2
    frames = np.array([12, 12, 9, 10], np.int32)
    logits = noise(4, 12, 6)
    # What optax calls a padding is 1 where nothing is.
    beyond_frames = (np.arange(12) >= frames[:, None]).astype(np.float32)
    beyond_label = (np.arange(6) >= lengths[:, None]).astype(np.float32)

    def peer(x):
        return optax.ctc_loss(x, beyond_frames, labels, beyond_label).sum()

    value, gradient = jax.value_and_grad(peer)(logits)
    np.testing.assert_allclose(loss_of(logits, labels, lengths, frames).sum(), value, rtol=1e-5)
    np.testing.assert_allclose(gradient_of(logits, labels, lengths, frames), gradient, atol=1e-4)


def test_padding_of_labels_changes_nothing():
    logits = noise(3, 8, 5)
    labels, lengths = arrays([(1, 2), (), (3, 3, 4)], 3)
    wider = np.pad(labels, ((0, 0), (0, 4)), constant_values=2)
    for row, length in enumerate(lengths):
        wider[row, length:] = 4  # What stands beyond a label is ignored, whatever it is.
    for function in (loss_of, gradient_of):
        np.testing.assert_allclose(
            function(logits, wider, lengths), function(logits, labels, lengths), atol=1e-6
        )


def test_labels_without_a_column_are_all_blank():
    logits, frames = noise(3, 6, 5), np.array([6, 1, 4], np.int32)
    labels, lengths = arrays([(), (), ()], 0)
    assert labels.shape == (3, 0)
    loss = np.asarray(loss_of(logits, labels, lengths, frames))
    blank = -log_probabilities(logits)[..., 0]
    np.testing.assert_allclose(loss, [blank[i, :f].sum() for i, f in enumerate(frames)], rtol=1e-5)
    wider = gradient_of(logits, *arrays([(), (), ()], 2))
    np.testing.assert_allclose(gradient_of(logits, labels, lengths), wider, atol=1e-6)


def test_padding_of_frames_changes_nothing():
    labels, lengths = arrays([(1, 2), (), (3, 3)], 2)
    frames = np.array([6, 2, 4], np.int32)
    short, long = noise(3, 6, 5), noise(3, 9, 5, seed=9)
    long[:, :6] = short
    expected = [
        loss_of(short[i : i + 1, :t], labels[i : i + 1], lengths[i : i + 1])[0]
        for i, t in enumerate(frames)
    ]
    np.testing.assert_allclose(loss_of(long, labels, lengths, frames), expected, rtol=1e-6)
    gradient = np.asarray(gradient_of(long, labels, lengths, frames))
    np.testing.assert_allclose(
        gradient[:, :6], gradient_of(short, labels, lengths, frames), atol=1e-6
    )
    assert all(not gradient[i, t:].any() for i, t in enumerate(frames))


def test_rows_do_not_touch_each_other():
    logits = noise(4, 8, 5)
    labels, lengths = arrays([(1, 2), (4, 4, 1), (), (2,) * 8], 8)
    value, gradient = loss_of(logits, labels, lengths), gradient_of(logits, labels, lengths)
    for i in range(4):
        one = logits[i : i + 1], labels[i : i + 1], lengths[i : i + 1]
        np.testing.assert_allclose(loss_of(*one)[0], value[i], rtol=1e-6)
        np.testing.assert_allclose(gradient_of(*one)[0], gradient[i], atol=1e-6)


@pytest.mark.parametrize("label", [(1, 2, 3, 4), (1, 1, 1), (2, 2, 1)], ids=str)
def test_impossible_label_is_large_but_finite(label):
    labels, lengths = arrays([label, (1,)], 4)
    logits = noise(2, 3, 5, scale=5.0)
    loss = np.asarray(loss_of(logits, labels, lengths))
    assert loss[0] == pytest.approx(1e5, rel=1e-2) and loss[1] < 100
    gradient = np.asarray(gradient_of(logits, labels, lengths))
    # The gradient of a frame is the difference of two distributions.
    assert np.isfinite(gradient).all() and np.abs(gradient).sum(axis=-1).max() <= 2 + 1e-4


def test_certain_and_extreme_logits_stay_finite():
    labels, lengths = arrays([(1, 2)], 2)
    certain = np.full((1, 5, 4), -1e3, np.float32)
    certain[0, range(5), [0, 1, 0, 2, 0]] = 1e3
    np.testing.assert_allclose(loss_of(certain, labels, lengths), 0, atol=1e-4)
    wrong = np.roll(certain, 1, axis=2)
    assert np.isfinite(loss_of(wrong, labels, lengths)).all()
    for logits in (certain, wrong):
        assert np.isfinite(gradient_of(logits, labels, lengths)).all()


def test_half_precision_logits_are_summed_in_float32():
    rough = jnp.asarray(noise(3, 60, 40), jnp.bfloat16)
    labels, lengths = arrays([(1, 2, 3), (), (5,) * 20], 20)
    loss = loss_of(rough, labels, lengths)
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, loss_of(rough.astype(jnp.float32), labels, lengths), rtol=1e-6)
    gradient = gradient_of(rough, labels, lengths)
    assert gradient.dtype == jnp.bfloat16 and np.isfinite(gradient.astype(np.float32)).all()


@st.composite
def rows(draw):
    frames = draw(st.integers(1, 7))
    label = draw(st.lists(st.integers(1, 3), max_size=frames))
    return draw(st.integers(0, 2**31)), draw(st.floats(0.1, 20)), frames, label


@given(rows())
@settings(max_examples=60, deadline=None)
def test_any_row_has_the_loss_of_the_oracle(row):
    seed, scale, frames, label = row
    # One shape for all, so that one program is compiled.
    logits = noise(1, 7, 4, seed=seed, scale=scale)
    lengths = np.array([frames], np.int32)
    loss = float(loss_of(logits, *arrays([label], 7), lengths)[0])
    expected = loss_by_recursion(logits[0, :frames], label)
    if np.isinf(expected):
        assert 0.9e5 < loss < 1.1e5
    else:
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert loss >= -1e-4
