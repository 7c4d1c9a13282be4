"""Quantised cosine blocks against OpenCV's cosine transform."""

from __future__ import annotations

import cv2
import jax
import numpy as np
import pytest

from deepocr_jax.augment.compression import BLOCK, COARSEST, COSINES, TABLE, compress

HEIGHT, WIDTH = 16, 24
many = jax.jit(jax.vmap(compress, (0, None, None)), static_argnums=2)


def keys(count=32):
    return jax.random.split(jax.random.key(0), count)


def picture():
    shape = HEIGHT, WIDTH, 3
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def spectra(image):
    """[rows, columns, channel, 8, 8] cosine spectra of the blocks, by OpenCV."""
    blocks = image.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK, 3)
    blocks = np.asarray(blocks, np.float64).transpose(0, 2, 4, 1, 3) - 128
    return np.stack([cv2.dct(b) for b in blocks.reshape(-1, BLOCK, BLOCK)])


def test_cosines_are_those_of_opencv_and_orthonormal():
    np.testing.assert_allclose(COSINES @ COSINES.T, np.eye(BLOCK), atol=1e-6)
    block = np.random.default_rng(1).standard_normal((BLOCK, BLOCK)).astype(np.float32)
    np.testing.assert_allclose(COSINES @ block @ COSINES.T, cv2.dct(block), atol=1e-5)


def test_a_tiny_strength_changes_nothing():
    image = picture()
    np.testing.assert_allclose(many(keys(), image, 1e-5), image[None].repeat(32, 0), atol=0.05)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_every_coefficient_is_rounded_to_a_multiple_of_its_step(strength):
    image = picture()
    before, coarseness = spectra(image), []
    for result in np.asarray(many(keys(), image, strength)):
        after = spectra(result)
        # A block's coefficients are all multiples of one number times the table.
        gap = np.abs(after - before)
        coarseness.append((2 * gap / TABLE).max())
        assert (gap <= COARSEST * strength * TABLE / 2 + 1e-2).all()
    assert max(coarseness) > 0.6 * COARSEST * strength > 2 * min(coarseness)


def test_compressing_again_with_the_same_key_changes_nothing():
    once = many(keys(1), picture(), 0.5)[0]
    np.testing.assert_allclose(many(keys(1), once, 0.5)[0], once, atol=0.05)


def test_blocks_and_channels_do_not_touch_each_other():
    image = picture()
    other = image.copy()
    other[:BLOCK, :BLOCK, 0] = 255 - other[:BLOCK, :BLOCK, 0]
    a, b = many(keys(4), image, 1.0), many(keys(4), other, 1.0)
    differs = np.abs(np.asarray(a) - np.asarray(b)) > 1e-2
    assert differs[:, :BLOCK, :BLOCK, 0].any(axis=(1, 2)).all()
    differs[:, :BLOCK, :BLOCK, 0] = False
    assert not differs.any()
