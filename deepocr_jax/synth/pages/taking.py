"""How a picture is taken: light, lens, sensor, scanner, compression."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from deepocr_jax.augment.compression import compress
from deepocr_jax.synth.pages.grounds import luminance, smooth_noise

_RADIUS_PX = 5
_SCANNED = 0.45  # share of the documents that are almost black and white


def take_picture(
    key: jax.Array, scene: jax.Array, is_scene: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Light, blur, noise and the rest, at random.

    Args:
        key: Random key.
        scene: [3, h, w] in [0, 1]; h and w are multiples of 8.
        is_scene: Whether it is a photo of a scene, and not a scan or photo of a sheet.

    Returns:
        The picture [3, h, w] in [0, 1], and the standard deviation of its blur in pixels.
    """
    lights, blurs, noises, scans, tones, blocks, resolution = jax.random.split(key, 7)
    scan_dice, scans = jax.random.split(scans)
    is_scanned = ~is_scene & (jax.random.uniform(scan_dice) < _SCANNED)
    picture = _light(lights, scene, is_scene, is_scanned)
    picture, blur_px = _blur(blurs, picture, is_scene, is_scanned)
    picture, coarse_px = _coarsen(resolution, picture, is_scene)
    picture = _add_noise(noises, picture, is_scene)
    picture = _scan(scans, picture, is_scene, is_scanned)
    picture = _compress(blocks, _tone(tones, picture, is_scene))
    return jnp.clip(picture, 0, 1), jnp.maximum(blur_px, coarse_px)


def _light(
    key: jax.Array, picture: jax.Array, is_scene: jax.Array, is_scanned: jax.Array
) -> jax.Array:
    """Light that falls off, and a shadow; a scanner's light is almost even."""
    field, shadow, dice = jax.random.split(key, 3)
    u = jax.random.uniform(dice, (4,))
    size = picture.shape[1], picture.shape[2]
    fall = jnp.where(is_scanned, 0.02, 0.12) * u[0] * smooth_noise(field, size, 2, 1)
    edge = jax.nn.sigmoid(smooth_noise(shadow, size, 3, 1) * (5 + 30 * u[1]))
    dark = jnp.where(u[2] < jnp.where(is_scene, 0.3, 0.15), 0.4 * u[3], 0.0) * ~is_scanned
    return picture * jnp.exp(fall) * (1 - dark * edge)


def _blur(
    key: jax.Array, picture: jax.Array, is_scene: jax.Array, is_scanned: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Gaussian blur, more in one direction at times: the picture and the wider deviation."""
    u = jax.random.uniform(key, (4,))
    most = jnp.where(is_scene, 2.6, jnp.where(is_scanned, 0.45, 0.9))
    sharp = jnp.where(is_scene, 0.25, 0.4)
    sigma = jnp.where(u[0] < sharp, 0.2, 0.2 + most * u[1] ** 2)
    sigmas = jnp.stack([sigma, sigma])
    moved = sigma + jnp.where(is_scene, 2.5, 0.6) * u[2] ** 2
    sigmas = sigmas.at[jnp.where(u[3] < 0.5, 0, 1)].set(jnp.where(u[2] > 0.75, moved, sigma))
    taps = jnp.exp(-0.5 * (jnp.arange(-_RADIUS_PX, _RADIUS_PX + 1) / sigmas[:, None]) ** 2)
    taps /= taps.sum(axis=1, keepdims=True)
    _, h, w = picture.shape
    r = _RADIUS_PX
    padded = jnp.pad(picture, ((0, 0), (r, r), (0, 0)), mode="edge")
    rows = [taps[0, i] * padded[:, i : i + h] for i in range(2 * r + 1)]
    padded = jnp.pad(sum(rows[1:], rows[0]), ((0, 0), (0, 0), (r, r)), mode="edge")
    cols = [taps[1, i] * padded[:, :, i : i + w] for i in range(2 * r + 1)]
    return sum(cols[1:], cols[0]), sigmas.max()


def _coarsen(
    key: jax.Array, picture: jax.Array, is_scene: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Half the resolution for a few, enlarged again: the picture and the blur that it means."""
    c, h, w = picture.shape
    small = picture.reshape(c, h // 2, 2, w // 2, 2).mean(axis=(2, 4))
    smooth = _doubled(_doubled(small, 1), 2)
    chosen = jax.random.uniform(key) < jnp.where(is_scene, 0.3, 0.04)
    return jnp.where(chosen, smooth, picture), jnp.where(chosen, 1.2, 0.0)


def _doubled(image: jax.Array, axis: int) -> jax.Array:
    """Twice as many values along an axis, linearly between the given ones."""
    length = image.shape[axis]
    index = jnp.arange(length)
    before = jnp.take(image, jnp.maximum(index - 1, 0), axis=axis)
    after = jnp.take(image, jnp.minimum(index + 1, length - 1), axis=axis)
    pairs = jnp.stack([0.25 * before + 0.75 * image, 0.75 * image + 0.25 * after], axis=axis + 1)
    shape = list(image.shape)
    shape[axis] = 2 * length
    return pairs.reshape(shape)


def _add_noise(key: jax.Array, picture: jax.Array, is_scene: jax.Array) -> jax.Array:
    """Noise of the sensor, gray and in colour."""
    dice, values = jax.random.split(key)
    u = jax.random.uniform(dice, (2,))
    bits = jax.random.bits(values, picture.shape[1:], jnp.uint32)
    shifts = jnp.array([0, 8, 16], jnp.uint32)[:, None, None]
    colour = (bits >> shifts) & 255  # three uniform numbers
    colour = (colour.astype(jnp.float32) - 127.5) / 73.9
    gray = (colour[:1] + colour[1:2] + colour[2:]) / jnp.sqrt(3.0)
    strength = jnp.where(is_scene, 0.07, 0.05) * u[0] ** 2
    return picture + strength * (gray + u[1] * (colour - gray) * jnp.where(is_scene, 1.0, 0.3))


def _scan(
    key: jax.Array, picture: jax.Array, is_scene: jax.Array, is_scanned: jax.Array
) -> jax.Array:
    """Gray and almost black and white for many sheets, with specks."""
    dice, field, specks = jax.random.split(key, 3)
    u = jax.random.uniform(dice, (6,))
    gray = luminance(picture)
    low, high = jnp.quantile(gray[::8, ::8], jnp.array([0.01, 0.7]))
    low = jnp.minimum(low, high - 0.35)  # there may be hardly any ink
    uneven = 0.05 * u[0] * smooth_noise(field, (gray.shape[0], gray.shape[1]), 40, 1)[0]
    threshold = low + (high - low) * (0.48 + 0.24 * u[1]) + uneven
    steep = jnp.exp(1.0 + 3.0 * u[2]) / jnp.maximum(high - low, 0.1)
    scanned = jax.nn.sigmoid(4 * (gray - threshold) * steep)
    is_black = jax.random.bits(specks, gray.shape, jnp.uint16) < 40 * u[3] ** 6
    is_black = is_black | jnp.roll(is_black, 1, axis=1) & (u[4] < 0.5)
    scanned = jnp.where(is_black & (u[3] > 0.4), 0.0, scanned)
    is_gray = jnp.where(is_scene, u[5] > 0.96, u[5] > 0.25)
    picture = jnp.where(is_gray, gray, picture)
    return jnp.where(is_scanned, scanned, picture)


def _tone(key: jax.Array, picture: jax.Array, is_scene: jax.Array) -> jax.Array:
    """Contrast, brightness and white balance."""
    u = jax.random.uniform(key, (6,), minval=-1.0)
    contrast = jnp.exp(jnp.where(is_scene, 0.35, 0.15) * u[0] - 0.1)
    bright = jnp.where(is_scene, 0.12, 0.05) * u[1]
    balance = 1 + jnp.where(is_scene, 0.1, 0.02) * u[2:5, None, None]
    return (jnp.clip(picture, 0, 1) - 0.5) * contrast * balance + 0.5 + bright


def _compress(key: jax.Array, picture: jax.Array) -> jax.Array:
    """The block artefacts of JPEG in the luminance of most pictures."""
    dice, blocks = jax.random.split(key)
    u = jax.random.uniform(dice, (2,))
    gray = 255 * luminance(picture)[..., None]
    coded = compress(blocks, gray, 0.5 * u[0] ** 2)
    return picture + jnp.where(u[1] < 0.6, (coded - gray)[..., 0] / 255, 0.0)
