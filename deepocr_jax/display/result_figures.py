"""Figures of what a reader found: on the image, on what the network saw, and its score maps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from deepocr_jax.display.figure_boxes import BoxStyle, draw_arrows, draw_boxes, write_texts
from deepocr_jax.display.figure_grid import (
    DPI,
    POINTS_PER_IN,
    make_grid,
    shortened,
    title_height_in,
)
from deepocr_jax.display.figure_texts import drawable, text_style
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.geometry.boxes import boxes_to_quads
from deepocr_jax.image import as_rgb
from deepocr_jax.types import SCORE_MAP_NAMES

DOUBTFUL_COLOR = "tab:red"
MIN_WIDTH_IN, MAX_WIDTH_IN, MAX_HEIGHT_IN = 6.0, 12.0, 16.0
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 5.5, 8.0
# How much of the image shows through a score map.
MAP_ALPHA = 0.6
BOX_KEYS = ("row", "col", "phi", "length1", "length2")


def dev_display_deep_ocr_results(
    image: Any,
    result: Mapping[str, Any],
    show_words: bool = True,
    show_orientation: bool = True,
    box_color: str = "green",
    line_width: float = 3.0,
    font_size: float = 12.0,
    doubtful_below: float = 0.8,
) -> Figure:
    """Shows a result on the image that was read.

    Args:
        image: As `apply_deep_ocr` took it: [h, w], [h, w, 1], [h, w, 3] or [h, w, 4].
        result: What `apply_deep_ocr` gave for it, in any mode.
        show_words: Whether texts are written.
        show_orientation: Whether an arrow in each box shows the direction of reading.
        box_color: matplotlib's name of the boxes' colour.
        line_width: Of the boxes, in points; less where boxes are small.
        font_size: Of the texts, in points; less where boxes are small.
        doubtful_below: Words of less confidence are red, and say how sure they are.

    Returns:
        The figure, made without pyplot; `figure.savefig(path)` writes it.

    Raises:
        ParameterValueError: It is no result of Deep OCR.
        ImageError: An image that cannot be used.
    """
    style = (box_color, line_width, font_size)
    return _shown(
        as_rgb(image), result, "words", show_words, show_orientation, style, doubtful_below
    )


def dev_display_deep_ocr_results_preprocessed(
    result: Mapping[str, Any],
    show_words: bool = True,
    show_orientation: bool = True,
    box_color: str = "green",
    line_width: float = 3.0,
    font_size: float = 12.0,
    doubtful_below: float = 0.8,
) -> Figure:
    """Shows a result on the image as the network saw it, scaled and padded.

    Args:
        result: What `apply_deep_ocr` gave.
        show_words: As of `dev_display_deep_ocr_results`.
        show_orientation: The same.
        box_color: The same.
        line_width: The same.
        font_size: The same.
        doubtful_below: The same.

    Returns:
        The figure.

    Raises:
        ParameterValueError: It is no result of Deep OCR.
    """
    _check(result, "image")
    style = (box_color, line_width, font_size)
    where = "word_boxes_on_image"
    return _shown(
        result["image"], result, where, show_words, show_orientation, style, doubtful_below
    )


def dev_display_deep_ocr_score_maps(
    result: Mapping[str, Any], show_boxes: bool = True, box_color: str = "green"
) -> Figure:
    """Shows the score maps of the detection over the image that the network saw.

    Scores are drawn from blue (0) to red (1). Sine and cosine of the reading direction are one more
    panel each, from blue (-1) to red (1), and the direction itself is a colour where there is text.

    Args:
        result: What `apply_deep_ocr` gave in mode "auto" or "detection".
        show_boxes: Whether the words' boxes are drawn.
        box_color: matplotlib's name of their colour.

    Returns:
        The figure: a panel for each map.

    Raises:
        ParameterValueError: The result has no score maps.
    """
    _check(result, "score_maps", "image")
    image, maps = np.asarray(result["image"]), np.asarray(result["score_maps"])
    names = list(SCORE_MAP_NAMES) if maps.shape[2] == len(SCORE_MAP_NAMES) else ["text"]
    panels = [(name, maps[..., k]) for k, name in enumerate(names)]
    directed = len(names) > 1
    columns = 2 if directed else 1
    aspects = [image.shape[0] / image.shape[1]] * (len(panels) + directed)
    title_in = title_height_in(1, 10)
    figure, cells = make_grid(aspects, columns, PANEL_WIDTH_IN, PANEL_HEIGHT_IN, title_in)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
    gray = image.mean(axis=2)
    for cell, (name, values) in zip(cells, panels, strict=False):
        cell.imshow(gray, cmap="gray", vmin=0, vmax=255)
        low = -1 if name in ("sin", "cos") else 0
        cell.imshow(values, cmap="jet", vmin=low, vmax=1, alpha=MAP_ALPHA, extent=extent)
        cell.set_title(f"{name}: {low} to 1", loc="left", **text_style(10))
    if directed:
        cells[-1].imshow(gray, cmap="gray", vmin=0, vmax=255)
        cells[-1].imshow(_direction_colors(maps), extent=extent)
        title = "direction: red to the right, green up, cyan to the left, violet down"
        cells[-1].set_title(title, loc="left", **text_style(10))
    if show_boxes and "word_boxes_on_image" in result:
        quads = boxes_to_quads(_boxes(result["word_boxes_on_image"]))
        style = BoxStyle(1.0, 8, POINTS_PER_IN * PANEL_WIDTH_IN / image.shape[1])
        for cell in cells:
            draw_boxes(cell, quads, box_color, style)
    return figure


def _check(result: Mapping[str, Any], *keys: str) -> None:
    missing = [key for key in keys if key not in result]
    if missing:
        raise ParameterValueError(
            f"result: expected what apply_deep_ocr gives, with {missing[0]!r}; got the keys "
            f"{sorted(result)}"
        )


def _boxes(words: Mapping[str, Any]) -> np.ndarray:
    return np.column_stack([np.atleast_1d(np.asarray(words[k], np.float64)) for k in BOX_KEYS])


def _shown(
    image: np.ndarray,
    result: Mapping[str, Any],
    where: str,
    show_words: bool,
    show_orientation: bool,
    look: tuple[str, float, float],
    doubtful_below: float,
) -> Figure:
    if "word" in result:
        return _crop_figure(image, result, show_words, look[2], doubtful_below)
    _check(result, "words", where)
    box_color, line_width, font_size = look
    width_in = min(max(MIN_WIDTH_IN, image.shape[1] / DPI), MAX_WIDTH_IN)
    aspect = image.shape[0] / image.shape[1]
    figure, (cell,) = make_grid([aspect], 1, width_in, MAX_HEIGHT_IN, title_height_in(1, font_size))
    cell.imshow(image, interpolation="nearest")
    drawn_in = min(width_in, MAX_HEIGHT_IN / aspect)
    style = BoxStyle(line_width, font_size, POINTS_PER_IN * drawn_in / image.shape[1])
    boxes, words = _boxes(result[where]), result["words"]
    texts = list(words.get("word", [""] * len(boxes)))
    sure = np.asarray(words.get("confidence", np.ones(len(boxes))))
    doubtful = sure < doubtful_below
    for color, chosen in ((box_color, ~doubtful), (DOUBTFUL_COLOR, doubtful)):
        _draw(cell, boxes[chosen], color, show_orientation, style)
        if show_words and "word" in words:
            shown = [_told(texts[k], sure[k], doubtful[k]) for k in np.flatnonzero(chosen)]
            write_texts(cell, boxes_to_quads(boxes[chosen]), shown, color, style)
    cell.set_title(_summary(len(boxes), int(doubtful.sum())), loc="left", **text_style(font_size))
    return figure


def _draw(
    cell: Axes, boxes: np.ndarray, color: str, show_orientation: bool, style: BoxStyle
) -> None:
    draw_boxes(cell, boxes_to_quads(boxes), color, style)
    if show_orientation:
        draw_arrows(cell, boxes, color, style)


def _told(text: str, confidence: float, doubtful: bool) -> str:
    return f"{text} ({100 * confidence:.0f} %)" if doubtful else text


def _summary(count: int, doubtful: int) -> str:
    words = "1 word" if count == 1 else f"{count} words"
    return f"{words}, {doubtful} doubtful" if doubtful else words


def _crop_figure(
    image: np.ndarray,
    result: Mapping[str, Any],
    show_words: bool,
    font_size: float,
    doubtful_below: float,
) -> Figure:
    """The crop of one word, below what was read in it."""
    title_in = title_height_in(1, font_size) if show_words else 0.0
    aspect = image.shape[0] / image.shape[1]
    figure, (cell,) = make_grid([aspect], 1, MIN_WIDTH_IN, MAX_HEIGHT_IN, title_in)
    cell.imshow(image, interpolation="nearest")
    if show_words:
        told = f"{drawable(result['word']) or '(nothing)'}  {100 * result['confidence']:.0f} %"
        color = DOUBTFUL_COLOR if result["confidence"] < doubtful_below else "black"
        title = shortened(told, MIN_WIDTH_IN, font_size)
        cell.set_title(title, loc="left", **text_style(font_size, color))
    return figure


def _direction_colors(maps: np.ndarray) -> np.ndarray:
    """Hue: the direction; opacity: the larger of the two scores. [h, w, 4]."""
    hue = np.mod(np.arctan2(maps[..., 2], maps[..., 3]) / (2 * np.pi), 1.0)
    full = np.ones_like(hue)
    colors = hsv_to_rgb(np.stack([hue, full, full], axis=-1))
    return np.dstack([colors, np.clip(maps[..., :2].max(axis=2), 0, 1)])
