"""Figures of many images, each below its title."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DPI = 110
GAP_IN = 0.1
# Height of a line over the size of its letters, and their mean width over it.
LINE_SPACING, LETTER_WIDTH = 1.35, 0.6
POINTS_PER_IN = 72
# The renderer's canvas has less than 2**16 pixels on each side.
MAX_SIDE_IN = 2**16 / DPI - 1


class ShownFigure(Figure):
    """A figure that a notebook shows, although it was made without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def make_grid(
    aspects: Sequence[float], columns: int, width_in: float, max_height_in: float, title_in: float
) -> tuple[Figure, list[Axes]]:
    """A figure with a cell for each image, row by row; each row is as high as its highest image.

    The places are computed here, since matplotlib's layouts give up, with a warning, where titles
    leave no room for images.

    Args:
        aspects: Height over width of each image.
        columns: Cells beside each other.
        width_in: Width of a cell in inches.
        max_height_in: Most height of an image in inches; it is narrower then.
        title_in: Height above each image that is kept for its title, in inches.

    Returns:
        The figure, and its cells without axes.
    """
    heights = [min(max_height_in, width_in * aspect) for aspect in aspects]
    rows = [heights[start : start + columns] for start in range(0, len(heights), columns)]
    total = sum(max(row) + title_in + GAP_IN for row in rows)
    size = columns * (width_in + GAP_IN), min(total, MAX_SIDE_IN)
    figure = ShownFigure(figsize=size, dpi=DPI)
    cells, below = [], 1.0
    for row in rows:
        below -= (max(row) + title_in + GAP_IN) / total
        for column, height in enumerate(row):
            # Images of one row stand on one line with their upper edges, and so their titles.
            bottom = below + (max(row) - height) / total
            left = (column * (width_in + GAP_IN) + GAP_IN / 2) / size[0]
            cell = figure.add_axes((left, bottom, width_in / size[0], height / total))
            cell.set_anchor("NW")
            cell.set_axis_off()
            cells.append(cell)
    return figure, cells


def title_height_in(lines: int, font_size: float) -> float:
    """Height of a title in inches."""
    return (lines * LINE_SPACING + 0.8) * font_size / POINTS_PER_IN


def shortened(text: str, width_in: float, font_size: float) -> str:
    """The text, cut to about the width that it has."""
    limit = max(4, int(width_in * POINTS_PER_IN / (LETTER_WIDTH * font_size)))
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
