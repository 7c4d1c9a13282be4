"""Figures of a training: its course, and the words that were read worst.

They are `matplotlib.figure.Figure` objects made without pyplot, so they belong to nobody else, need
no screen, and are freed with their last reference. `figure.savefig(path)` writes one.
"""

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from deepocr_jax.display.figure_grid import (
    DPI,
    ShownFigure,
    make_grid,
    shortened,
    title_height_in,
)
from deepocr_jax.display.figure_texts import drawable, text_style
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.types import CropSource

PANEL_IN = (4.6, 3.4)
# Most width and height of a crop.
CELL_IN = (2.6, 0.8)
FONT_SIZE = 8.0
# Figures of an evaluation that are drawn, and what they are called.
_CURVES = {
    "accuracy": "words read exactly",
    "accuracy_caseless": "the same, upper or lower case",
    "accuracy_36": "the same, 0-9 and a-z alone",
}


def training_curve(
    history: Mapping[str, Any], path: str | os.PathLike[str] | None = None
) -> Figure:
    """The course of a training: loss by step, mean loss by epoch, accuracy by epoch.

    Args:
        history: `losses`, a list of (step, loss); `epochs`, a list of dictionaries with `epoch` and
            `mean_loss`; `evaluations`, a list of dictionaries with `epoch` and shares in [0, 1]
            such as `accuracy`. A missing or empty one has no panel.
        path: Where the figure is written as PNG, whole or not at all; None: nowhere.

    Returns:
        The figure.
    """
    losses = [(step, loss) for step, loss in history.get("losses", ())]
    epochs = [(e["epoch"], e["mean_loss"]) for e in history.get("epochs", ())]
    curves = _accuracy_curves(history.get("evaluations", ()))
    count = max(1, bool(losses) + bool(epochs) + bool(curves))
    figure = ShownFigure(figsize=(PANEL_IN[0] * count, PANEL_IN[1]), dpi=DPI, layout="constrained")
    panels = iter(figure.subplots(1, count, squeeze=False)[0])
    if losses:
        _draw_loss(next(panels), losses, "step", "loss", ".")
    if epochs:
        _draw_loss(next(panels), epochs, "epoch", "mean loss", "o")
    if curves:
        _draw_accuracy(next(panels), curves)
    if not (losses or epochs or curves):
        _write_only(next(panels), "no step was done yet")
    if path is not None:
        _write_png(figure, Path(path))
    return figure


def _accuracy_curves(
    evaluations: Sequence[Mapping[str, Any]],
) -> dict[str, list[tuple[int, float]]]:
    """Label -> (epoch, share) of each evaluation that has it; all curves have a point."""
    curves = {
        label: [(e["epoch"], e[key]) for e in evaluations if e.get(key) is not None]
        for key, label in _CURVES.items()
    }
    return {label: points for label, points in curves.items() if points}


def _draw_loss(
    axes: Axes, points: Sequence[tuple[int, float]], unit: str, name: str, marker: str
) -> None:
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    axes.plot([x for x, _ in finite], [y for _, y in finite], marker=marker, markersize=4, lw=1)
    if finite and min(y for _, y in finite) > 0:
        axes.set_yscale("log")
    _set_labels(axes, unit, name)


def _draw_accuracy(axes: Axes, curves: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    for label, points in curves.items():
        axes.plot([x for x, _ in points], [y for _, y in points], "o-", ms=4, lw=1.2, label=label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="best", fontsize=8)
    _set_labels(axes, "epoch", "accuracy")


def _set_labels(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def _write_only(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)


def _write_png(figure: Figure, path: Path) -> None:
    """Writes beside the place and moves: whoever looks meanwhile sees the old figure or this."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder) / "figure.png"
        figure.savefig(draft, format="png")
        os.replace(draft, path)


def worst_examples(
    result: Mapping[str, Any], source: CropSource, limit: int = 20, columns: int = 4
) -> Figure:
    """The crops that were read worst, each with its truth and what was read.

    Args:
        result: What `RecognitionMetrics.compute` or `evaluate_dl_model` gave, with `worst`.
        source: The crops that were evaluated; they are found by their ids.
        limit: Most crops, at least 1.
        columns: Crops beside each other, at least 1.

    Returns:
        The figure; a note alone where nothing was read wrong.

    Raises:
        ParameterValueError: The result has no worst examples, or none of them is in the source.
    """
    if "worst" not in result:
        raise ParameterValueError(
            "result: expected what RecognitionMetrics.compute or evaluate_dl_model gives for a "
            f"recognition, with 'worst'; got the keys {sorted(result)}"
        )
    if limit < 1 or columns < 1:
        raise ParameterValueError(
            f"limit and columns: expected at least 1, got {limit!r} and {columns!r}"
        )
    place = {image_id: index for index, image_id in enumerate(source.ids)}
    found = [bad for bad in result["worst"] if bad["image_id"] in place][:limit]
    if result["worst"] and not found:
        raise ParameterValueError(
            "none of the samples read worst is in the source; pass the source that was evaluated"
        )
    if not found:
        figure = ShownFigure(figsize=PANEL_IN, dpi=DPI)
        _write_only(figure.add_subplot(), "Every word was read right.")
        return figure
    crops = [source.crop(place[bad["image_id"]]) for bad in found]
    aspects = [crop.shape[0] / crop.shape[1] for crop in crops]
    title_in = title_height_in(2, FONT_SIZE)
    figure, cells = make_grid(aspects, min(columns, len(found)), *CELL_IN, title_in)
    for cell, crop, bad in zip(cells, crops, found, strict=True):
        cell.imshow(crop)
        read = f"{drawable(bad['read']) or '(nothing)'}  {100 * bad['confidence']:.0f} %"
        lines = drawable(bad["truth"]), f"\N{RIGHTWARDS ARROW} {read}"
        title = "\n".join(shortened(line, CELL_IN[0], FONT_SIZE) for line in lines)
        cell.set_title(title, loc="left", **text_style(FONT_SIZE))
    return figure
