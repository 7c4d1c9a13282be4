"""Figures of samples with their labels and, where there are some, a model's results."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
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

RESULT_COLOR = "tab:blue"
WRONG_COLOR = "tab:red"
# Width of one sample alone: a pixel of its image is one of the figure's, between these limits.
MIN_WIDTH_IN, MAX_WIDTH_IN, MAX_HEIGHT_IN = 6.0, 12.0, 16.0
MIN_CELL_IN = 1.5
MAX_SAMPLES = 64
BOX_KEYS = ("row", "col", "phi", "length1", "length2")


def dev_display_dl_data(
    samples: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    results: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    show_words: bool = True,
    show_orientation: bool = True,
    box_color: str = "green",
    line_width: float = 3.0,
    font_size: float = 12.0,
    columns: int = 1,
) -> Figure:
    """Shows samples with their labels and results.

    Args:
        samples: One DLSample or several (at most 64), each with `image`: [h, w], [h, w, 1] or
            [h, w, 3], of any type. Drawn are its boxes, upright or rotated, their texts, and its
            `word`.
        results: The DLResult of each sample, as `apply_dl_model` gives them: its boxes are drawn in
            blue, its word stands below the true one, both in red where they differ.
        show_words: Whether texts are written.
        show_orientation: Whether an arrow in a rotated box shows the direction of reading.
        box_color: matplotlib's name of the colour of labelled boxes.
        line_width: Of the boxes, in points; less where boxes are small.
        font_size: Of the texts, in points; less where boxes are small.
        columns: Samples beside each other, at least 1.

    Returns:
        The figure, made without pyplot; `figure.savefig(path)` writes it.

    Raises:
        ParameterValueError: There is no sample or there are too many, one has no image, or there
            is not one result for each.
    """
    batch = [samples] if isinstance(samples, Mapping) else list(samples)
    if not 1 <= len(batch) <= MAX_SAMPLES or columns < 1:
        raise ParameterValueError(
            f"expected 1 to {MAX_SAMPLES} samples in at least one column, got {len(batch)} in "
            f"{columns!r}"
        )
    given = [results] if isinstance(results, Mapping) else results
    found: list[Mapping[str, Any]] = [{}] * len(batch) if given is None else list(given)
    if len(found) != len(batch):
        raise ParameterValueError(
            f"expected one result for each of the {len(batch)} samples, got {len(found)}"
        )
    images = [_image(index, sample) for index, sample in enumerate(batch)]
    columns = min(columns, len(batch))
    width_in = min(max(MIN_WIDTH_IN, max(i.shape[1] for i in images) / DPI), MAX_WIDTH_IN)
    cell_in = max(MIN_CELL_IN, width_in / columns)
    title_in = title_height_in(2, font_size) if show_words else 0.0
    aspects = [image.shape[0] / image.shape[1] for image in images]
    figure, cells = make_grid(aspects, columns, cell_in, MAX_HEIGHT_IN, title_in)
    for cell, image, sample, result in zip(cells, images, batch, found, strict=False):
        cell.imshow(image, cmap="gray", interpolation="nearest")
        drawn_in = min(cell_in, MAX_HEIGHT_IN * image.shape[1] / image.shape[0])
        style = BoxStyle(line_width, font_size, POINTS_PER_IN * drawn_in / image.shape[1])
        labelled, read = _label_boxes(sample), _result_boxes(result)
        for color, (boxes, quads, texts) in ((box_color, labelled), (RESULT_COLOR, read)):
            draw_boxes(cell, quads, color, style)
            if show_orientation:
                draw_arrows(cell, boxes, color, style)
            if show_words:
                write_texts(cell, quads, texts, color, style)
        if show_words:
            _write_title(cell, sample.get("word"), result, font_size, cell_in)
    return figure


def _image(index: int, sample: Mapping[str, Any]) -> np.ndarray:
    """A sample's image in [0, 1], [h, w] or [h, w, 3]."""
    if "image" not in sample:
        raise ParameterValueError(
            f"sample {index} has no 'image', only {sorted(sample)}; make samples of a dataset with "
            "gen_dl_samples"
        )
    image = np.asarray(sample["image"])
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] != 3):
        raise ParameterValueError(
            f"sample {index}: expected an image [h, w] or [h, w, 1 or 3], got {list(image.shape)}"
        )
    if image.dtype == np.uint8:
        return image / 255.0
    # Normalized: what is least becomes black and what is most white.
    finite = np.nan_to_num(image.astype(np.float64))
    low, high = finite.min(), finite.max()
    return (finite - low) / ((high - low) or 1.0)


class _Labels(NamedTuple):
    """Rotated boxes [n, 5], corners [m, 4, 2] (row, col) and texts; n is m or 0."""

    boxes: np.ndarray
    quads: np.ndarray
    texts: Sequence[str]


def _label_boxes(sample: Mapping[str, Any]) -> _Labels:
    texts = [str(entry.get("text", "")) for entry in sample.get("label_custom_data", ())]
    rotated = [sample.get(f"bbox_{key}") for key in BOX_KEYS]
    if all(v is not None for v in rotated):
        boxes = _columns(rotated)
        return _Labels(boxes, boxes_to_quads(boxes), texts)
    upright = [sample.get(f"bbox_{key}") for key in ("row1", "col1", "row2", "col2")]
    if any(v is None for v in upright):
        return _Labels(np.zeros((0, 5)), np.zeros((0, 4, 2)), [])
    row1, col1, row2, col2 = _columns(upright).T
    corners = [(row1, col1), (row1, col2), (row2, col2), (row2, col1)]
    quads = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    return _Labels(np.zeros((0, 5)), quads, texts)


def _result_boxes(result: Mapping[str, Any]) -> _Labels:
    words = result.get("words", {})
    boxes = _columns([words[key] for key in BOX_KEYS]) if "row" in words else np.zeros((0, 5))
    return _Labels(boxes, boxes_to_quads(boxes), words.get("word", []))


def _columns(values: Sequence[Any]) -> np.ndarray:
    return np.column_stack([np.atleast_1d(np.asarray(v, np.float64)) for v in values])


def _write_title(
    cell: Axes, truth: str | None, result: Mapping[str, Any], font_size: float, width_in: float
) -> None:
    """The true word, and below it what was read."""
    read = result.get("word")
    lines = [] if truth is None else [drawable(truth)]
    if read is not None:
        sure = f"  {100 * result['confidence']:.0f} %" if "confidence" in result else ""
        lines.append(f"\N{RIGHTWARDS ARROW} {drawable(read) or '(nothing)'}{sure}")
    wrong = truth is not None and read is not None and truth != read
    style = text_style(font_size, WRONG_COLOR if wrong else "black")
    title = "\n".join(shortened(line, width_in, font_size) for line in lines)
    cell.set_title(title, loc="left", **style)
