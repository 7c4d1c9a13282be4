"""The block artefacts of JPEG: 8 x 8 cosine transforms, quantised."""

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 8

# Luminance table of ISO/IEC 10918-1, annex K.1.
TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
# The table as it stands is quality 50; four times as coarse is about quality 12.
COARSEST = 4.0


def _cosines() -> np.ndarray:
    """Orthonormal DCT-II of length 8, [frequency, sample]."""
    k, x = np.meshgrid(np.arange(BLOCK), np.arange(BLOCK), indexing="ij")
    basis = np.cos(np.pi * k * (2 * x + 1) / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


COSINES = _cosines()


def compress(key: jax.Array, image: jax.Array, strength: float | jax.Array) -> jax.Array:
    """Quantises the blocks of an image at random, up to a strength.

    Args:
        key: Random key.
        image: [h, w, c], values 0 to 255, h and w multiples of 8.
        strength: Most, in [0, 1]: 1 is four times as coarse as JPEG's quality 50.

    Returns:
        [h, w, c].
    """
    h, w, c = image.shape
    step = TABLE * (COARSEST * strength * jax.random.uniform(key, minval=1e-3))
    blocks = image.reshape(h // BLOCK, BLOCK, w // BLOCK, BLOCK, c) - 128.0
    spectrum = jnp.einsum("ki,hiwjc,lj->hkwlc", COSINES, blocks, COSINES)
    step = step[None, :, None, :, None]
    spectrum = jnp.round(spectrum / step) * step
    blocks = jnp.einsum("ki,hkwlc,lj->hiwjc", COSINES, spectrum, COSINES)
    return blocks.reshape(h, w, c) + 128.0
