"""From a layout to the pixels of a crop: the ink laid over a ground, with what stands around."""

from __future__ import annotations

import cv2
import numpy as np

from deepocr_jax.synth.layout import HEIGHT, Layout, draw_text, font_size
from deepocr_jax.synth.surfaces import choose_colors, make_ground
from deepocr_jax.synth.wear import wear_out
from deepocr_jax.types import ImageArray

Generator = np.random.Generator


def paint_crop(random: Generator, layout: Layout) -> ImageArray:
    """A crop of a layout in random colours, uint8 [48, layout.width, 3]."""
    ink = warp_ink(layout)
    ground_color, text_color = choose_colors(random)
    image = make_ground(random, ground_color, HEIGHT, layout.width)
    image = _with_clutter(random, image, layout, text_color)
    image = _with_edge(random, image, ink, ground_color, text_color)
    opacity = np.float32(random.uniform(0.8, 1) if random.random() < 0.2 else 1)
    # Text has light and shade of its own, but less than the ground.
    image = _mixed(image, ink * opacity, text_color)
    if random.random() < 0.25:
        start, stop = random.uniform(0.65, 1.15, 2)
        image = image * np.linspace(start, stop, layout.width, dtype=np.float32)[None, :, None]
    return wear_out(random, image)


def warp_ink(layout: Layout) -> np.ndarray:
    """The text's ink on its crop: float32 [48, width] in 0..1."""
    picture, corners = draw_text(layout, font_size(layout))
    # Corners are outer edges, pixels are centred at whole numbers.
    source, target = (corners - 0.5).astype(np.float32), (layout.quad - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (layout.width, HEIGHT)
    return cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR).astype(
        np.float32
    ) / np.float32(255)


def _mixed(image: np.ndarray, alpha: np.ndarray, color: np.ndarray) -> np.ndarray:
    """The image with a colour laid over it; alpha is [h, w] in 0..1."""
    return image + alpha[:, :, None] * (color.astype(np.float32) - image)


def _with_edge(
    random: Generator,
    image: np.ndarray,
    ink: np.ndarray,
    ground_color: np.ndarray,
    text_color: np.ndarray,
) -> np.ndarray:
    """An outline or a shadow behind the text, darker or lighter than both, or none."""
    dice = random.random()
    if dice > 0.16:
        return image
    bright = float(text_color.mean() + ground_color.mean()) > 255
    color = random.uniform(0, 60, 3) if bright else random.uniform(190, 255, 3)
    # An edge as bright as the text would thicken the strokes until they touch.
    if abs(float(color.mean() - text_color.mean())) < 70:
        color = ground_color * 0.6 if bright else ground_color * 0.6 + 100
    if dice < 0.07:
        edge = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    else:
        shift = random.integers(1, 4, 2) * random.choice([-1, 1], 2)
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        edge = cv2.warpAffine(ink, matrix, ink.shape[::-1])
        edge = cv2.GaussianBlur(edge, (3, 3), 0) * np.float32(random.uniform(0.4, 0.8))
    return _mixed(image, edge, color)


def _with_clutter(
    random: Generator, image: np.ndarray, layout: Layout, text_color: np.ndarray
) -> np.ndarray:
    """What else a crop shows: a line below the text, the edge of a sign, a part of another line."""
    dice = random.random()
    color = text_color if random.random() < 0.7 else random.uniform(0, 255, 3)
    ink = np.zeros(image.shape[:2], np.float32)
    start, stop = layout.quad[3], layout.quad[2]
    if dice < 0.04:  # underline, where there is room below the text
        if min(HEIGHT - start[1], HEIGHT - stop[1]) < 4:
            return image
        points = np.rint([start + [0, 2], stop + [0, 2]]).astype(int)
        cv2.line(ink, points[0].tolist(), points[1].tolist(), 1.0, int(random.integers(1, 3)))
    elif dice < 0.09:  # the edge of a sign
        thick = int(random.integers(1, 4))
        side = int(random.integers(4))
        if side < 2:
            ink[(slice(0, thick), slice(-thick, None))[side]] = 1
        elif (layout.quad[0][0] if side == 2 else layout.width - stop[0]) > thick + 3:
            ink[:, (slice(0, thick), slice(-thick, None))[side - 2]] = 1
    elif dice < 0.15:  # feet or heads of the letters of a line above or below
        above = random.random() < 0.5
        room = layout.quad[:2, 1].min() if above else HEIGHT - layout.quad[2:, 1].max()
        height = int(min(random.integers(2, 7), room - 2))
        if height > 0:
            marks = random.random(max(2, layout.width // 5)) < 0.55
            strip = np.repeat(marks.astype(np.float32), 5)[: layout.width]
            strip = np.pad(strip, (0, layout.width - len(strip)))
            ink[slice(0, height) if above else slice(-height, None)] = strip
    return _mixed(image, ink, color)
