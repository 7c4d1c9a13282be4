"""Images as the networks take them."""

import cv2
import numpy as np

from deepocr_jax.preprocess import two_thirds


def test_two_thirds_are_by_area():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 48, 36, 3)).astype(np.float32)
    expected = [cv2.resize(image, (24, 32), interpolation=cv2.INTER_AREA) for image in x]
    np.testing.assert_allclose(two_thirds(x), expected, atol=1e-6)
