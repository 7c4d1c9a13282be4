"""Boxes, arrows and texts over an image in a figure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke

from deepocr_jax.display.figure_grid import LETTER_WIDTH
from deepocr_jax.display.figure_texts import drawable, text_style
from deepocr_jax.geometry.boxes import directions

# Lines and texts of a box over its height; they are never thinner or smaller than these points.
LINE_SHARE, MIN_LINE_PT, TEXT_SHARE, MIN_TEXT_PT = 0.1, 0.5, 0.5, 4.0

# Width of the white line around a text, and height of a line of it, in font sizes.
HALO_SHARE, TEXT_HEIGHT = 0.25, 1.3


class BoxStyle(NamedTuple):
    """Largest sizes in points, and the points of the figure that a pixel of the image takes."""

    line_width: float
    font_size: float
    points: float

    def line(self, height_px: float) -> float:
        """Width of the lines of a box, in points."""
        return max(MIN_LINE_PT, min(self.line_width, LINE_SHARE * height_px * self.points))

    def text(self, text: str, length_px: float, height_px: float) -> float:
        """Size at which a text is no longer than its box and fits between lines, in points."""
        fitting = length_px * self.points / (LETTER_WIDTH * max(1, len(text)))
        low = TEXT_SHARE * height_px * self.points
        return max(MIN_TEXT_PT, min(self.font_size, fitting, low))


def draw_boxes(cell: Axes, quads: np.ndarray, color: str, style: BoxStyle) -> None:
    """Outlines of boxes, [n, 4, 2] corners (row, col)."""
    for quad in quads:
        line = style.line(float(np.linalg.norm(quad[3] - quad[0])))
        cell.add_patch(Polygon(quad[:, ::-1], fill=False, edgecolor=color, linewidth=line))


def draw_arrows(cell: Axes, boxes: np.ndarray, color: str, style: BoxStyle) -> None:
    """From the centre of each box to the middle of the edge where its reading ends."""
    along, _ = directions(boxes[:, 2])
    for box, direction in zip(boxes, along, strict=True):
        line = style.line(2 * box[4])
        end = box[:2] + box[3] * direction
        form = {"arrowstyle": "->", "color": color, "linewidth": line / 2, "shrinkA": 0}
        form |= {"shrinkB": 0, "mutation_scale": 4 * line}
        cell.annotate("", xy=(end[1], end[0]), xytext=(box[1], box[0]), arrowprops=form)


def write_texts(
    cell: Axes, quads: np.ndarray, texts: Sequence[str], color: str, style: BoxStyle
) -> None:
    """Each text above the first corner of its box, in the image; as many as there are of both."""
    for quad, text in zip(quads, texts, strict=False):
        row, col = quad[0]
        length, height = (float(np.linalg.norm(quad[k] - quad[0])) for k in (1, 3))
        size = style.text(text, length, height)
        row = max(row, TEXT_HEIGHT * size / style.points)
        # In dense text the line above is behind: the halo parts both.
        halo = withStroke(linewidth=HALO_SHARE * size, foreground="white")
        form = {"va": "bottom", "clip_on": True, **text_style(size, color)}
        cell.text(col, row, drawable(text), path_effects=[halo], **form)
