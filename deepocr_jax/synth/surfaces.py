"""Colours and grounds that text stands on, as float32 RGB images in 0..255."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

Generator = np.random.Generator

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def choose_colors(random: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Colours of ground and text, two [3]; their brightness differs enough to be read."""
    ground = _ground_color(random)
    least = 100 if random.random() < 0.7 else 50
    best = np.zeros(3)
    for _ in range(6):
        text = _text_color(random)
        if _contrast(ground, text) > _contrast(ground, best):
            best = text
        if _contrast(ground, best) >= least:
            return ground, best
    dark = ground @ _LUMA < 128
    return ground, np.full(3, 240.0 if dark else 15.0)


def _contrast(one: np.ndarray, other: np.ndarray) -> float:
    return abs(float((one - other) @ _LUMA))


def _ground_color(random: Generator) -> np.ndarray:
    """White, light, dark or the strong colour of a sign."""
    dice = random.random()
    if dice < 0.28:
        return random.uniform(215, 255) + random.uniform(-8, 8, 3)
    if dice < 0.48:
        return random.uniform(0, 60) + random.uniform(0, 15, 3)
    if dice < 0.62:
        return random.uniform(60, 215) + random.uniform(-12, 12, 3)
    return _hue(random, (0.35, 1.0), (0.3, 1.0))


def _text_color(random: Generator) -> np.ndarray:
    dice = random.random()
    if dice < 0.4:
        return random.uniform(215, 255) + random.uniform(-10, 0, 3)
    if dice < 0.75:
        return random.uniform(0, 55) + random.uniform(0, 20, 3)
    return _hue(random, (0.4, 1.0), (0.25, 1.0))


def _hue(random: Generator, saturation: tuple, value: tuple) -> np.ndarray:
    rgb = colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))
    return np.array(rgb) * 255


def make_ground(random: Generator, color: np.ndarray, height: int, width: int) -> np.ndarray:
    """A ground around a colour: plain, a gradient, cloudy, striped, or grainy."""
    ground = np.empty((height, width, 3), np.float32)
    ground[:] = color
    dice = random.random()
    if dice < 0.38:
        return ground
    if dice < 0.6:
        return ground + _gradient(random, height, width)[:, :, None]
    if dice < 0.85:
        return ground + _clouds(random, height, width)
    if dice < 0.93:
        return ground + _stripes(random, height, width)[:, :, None]
    grain = random.normal(0, random.uniform(3, 14), (height, width)).astype(np.float32)
    return ground + cv2.GaussianBlur(grain, (3, 3), 0)[:, :, None]


def _gradient(random: Generator, height: int, width: int) -> np.ndarray:
    """[height, width] a slope of light in any direction, around 0."""
    step = random.uniform(-30, 30, 2)
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(step[0])
    return rows + np.linspace(-1, 1, width, dtype=np.float32) * np.float32(step[1])


def _clouds(random: Generator, height: int, width: int) -> np.ndarray:
    """[height, width, 3] smooth spots, mostly gray: unsharp things behind the text."""
    cells = (int(random.integers(2, 7)), max(2, int(width / height * random.uniform(2, 6))))
    spots = random.normal(0, random.uniform(5, 20), (*cells, 1))
    spots = spots + random.normal(0, random.uniform(0, 8), (*cells, 3))
    return cv2.resize(spots.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def _stripes(random: Generator, height: int, width: int) -> np.ndarray:
    """[height, width] waves in one direction: cloth, wood, blinds, the lines of a screen."""
    angle, period = random.uniform(0, np.pi), random.uniform(3, 20)
    rows = np.arange(height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    phase = rows + np.arange(width, dtype=np.float32) * np.float32(np.cos(angle))
    return np.float32(random.uniform(3, 14)) * np.sin(phase * np.float32(2 * np.pi / period))
