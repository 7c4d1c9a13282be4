"""Random changes of a batch of images, as one function that is jitted with the training step."""

import math

import jax
import jax.numpy as jnp

from deepocr_jax.augment.compression import compress
from deepocr_jax.augment.options import AugmentOptions, is_active
from deepocr_jax.augment.warp import source_corners, warp

# ITU-R BT.601 weights of red, green and blue in the luminance.
LUMINANCE = (0.299, 0.587, 0.114)
BLUR_RADIUS_PX = 3


def augment(
    keys: jax.Array, images: jax.Array, widths: jax.Array, options: AugmentOptions
) -> jax.Array:
    """Changes a share of the images at random.

    Args:
        keys: [n] random keys, one an image, so that no image's change depends on the others.
        images: [n, h, w, 3], values 0 to 255.
        widths: [n] columns of each image that count; the rest is padding.
        options: Ranges of the changes; static under `jax.jit`.

    Returns:
        [n, h, w, 3] float32, values 0 to 255. The padding holds nothing of use.
    """
    images = images.astype(jnp.float32)
    if not is_active(options):
        return images
    return jax.vmap(lambda k, x, w: _augment_one(k, x, w, options))(keys, images, widths)


def _augment_one(
    key: jax.Array, image: jax.Array, width: jax.Array, o: AugmentOptions
) -> jax.Array:
    whether, warping, colour, blurring, noise, blocks = jax.random.split(key, 6)
    # Blur and blocks reach beyond the text: there they shall find its border, not the padding.
    changed = image[:, jnp.clip(jnp.arange(image.shape[1]), 0, jnp.maximum(width - 1, 0))]
    if o.rotate_range or o.remove_pixel or o.stretch or o.perspective:
        changed = warp(changed, source_corners(warping, image.shape[0], width, o), width)
    if o.brightness_variation or o.contrast_variation or o.saturation_variation:
        changed = _recolour(colour, changed, width, o)
    if o.blur:
        changed = _blur(blurring, changed, o.blur)
    if o.noise:
        changed = _add_noise(noise, changed, o.noise)
    if o.compression:
        changed = compress(blocks, changed, o.compression)
    chosen = jax.random.uniform(whether) * 100 < o.augmentation_percentage
    return jnp.where(chosen, jnp.clip(changed, 0, 255), image)


def _signed(key: jax.Array, limit: float) -> jax.Array:
    return jax.random.uniform(key, minval=-limit, maxval=limit)


def _recolour(key: jax.Array, image: jax.Array, width: jax.Array, o: AugmentOptions) -> jax.Array:
    brightness, contrast, saturation = jax.random.split(key, 3)
    gray = (image @ jnp.array(LUMINANCE))[..., None]
    image = gray + (image - gray) * (1 + _signed(saturation, o.saturation_variation))
    inside = (jnp.arange(image.shape[1]) < width)[None, :, None]
    mean = jnp.sum(image * inside) / (3 * image.shape[0] * jnp.maximum(width, 1))
    factor = jnp.exp(_signed(contrast, math.log1p(o.contrast_variation)))
    return (image - mean) * factor + mean + 255 * _signed(brightness, o.brightness_variation)


def _blur(key: jax.Array, image: jax.Array, largest: float) -> jax.Array:
    """Gaussian blur, the border repeated, of a standard deviation that is uniform up to a limit."""
    sigma = jax.random.uniform(key, minval=0.05, maxval=max(0.05, largest))
    taps = jnp.exp(-0.5 * (jnp.arange(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1) / sigma) ** 2)
    taps = taps / taps.sum()
    r = BLUR_RADIUS_PX
    h, w, _ = image.shape
    padded = jnp.pad(image, ((r, r), (0, 0), (0, 0)), mode="edge")
    image = sum((taps[i] * padded[i : i + h] for i in range(2 * r + 1)), jnp.zeros_like(image))
    padded = jnp.pad(image, ((0, 0), (r, r), (0, 0)), mode="edge")
    return sum((taps[i] * padded[:, i : i + w] for i in range(2 * r + 1)), jnp.zeros_like(image))


def _add_noise(key: jax.Array, image: jax.Array, largest: float) -> jax.Array:
    strength, values = jax.random.split(key)
    deviation = jax.random.uniform(strength, maxval=largest)
    return image + deviation * jax.random.normal(values, image.shape)
