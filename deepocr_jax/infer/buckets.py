"""The few shapes that are compiled: detection canvases, recognition widths, group sizes."""

import math
from bisect import bisect_left

# From the recognizer's least width on: the published one was trained on lines padded to 320
# pixels, and read in a canvas narrower than 160 it loses 0.7 points on the ICDAR 2015 words.
LINE_WIDTHS = (
    *range(64, 640, 32), *range(640, 1024, 64), *range(1024, 1536, 128),
    1536, 1792, 2048,
)  # fmt: skip
CANVAS_STEP = 64
STRIDE = 32


def line_width_bucket(width: int, least_width: int, max_width: int) -> int:
    """The compiled width for a line of `width` pixels, at most `max_width`."""
    widths = line_widths(least_width, max_width)
    return widths[min(bisect_left(widths, width), len(widths) - 1)]


def line_widths(least_width: int, max_width: int) -> tuple[int, ...]:
    """All compiled widths from `least_width` up to `max_width`, which is one of them."""
    return (*(w for w in LINE_WIDTHS if least_width <= w < max_width), max_width)


def fit_canvas(
    height: int, width: int, max_height: int, max_width: int, step: int = CANVAS_STEP
) -> tuple[tuple[int, int], tuple[int, int]]:
    """How an image is scaled for detection, and onto which canvas.

    The image is scaled, keeping its aspect ratio, to the largest size inside max_height x
    max_width. The canvas is that size rounded up to multiples of `step` on the side that has room
    left, so an image size costs one of few compiled shapes.

    Returns:
        ((scaled height, width), (canvas height, width)).
    """
    scale = min(max_height / height, max_width / width)
    scaled_h = min(max(1, round(height * scale)), max_height)
    scaled_w = min(max(1, round(width * scale)), max_width)
    return (scaled_h, scaled_w), (
        _canvas(scaled_h, max_height, step),
        _canvas(scaled_w, max_width, step),
    )


def _canvas(side: int, limit: int, step: int) -> int:
    return min(math.ceil(side / step) * step, limit)


def canvas_shapes(
    max_height: int, max_width: int, step: int = CANVAS_STEP
) -> list[tuple[int, int]]:
    """Every canvas that `fit_canvas` can return, for warming up."""
    heights = {_canvas(h, max_height, step) for h in range(1, max_height + 1, STRIDE)}
    widths = {_canvas(w, max_width, step) for w in range(1, max_width + 1, STRIDE)}
    heights, widths = heights | {max_height}, widths | {max_width}
    shapes = {(h, max_width) for h in heights} | {(max_height, w) for w in widths}
    return sorted(shapes)


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Starts of evenly spaced tiles that cover `length`, neighbours sharing >= `overlap`."""
    if length <= tile:
        return [0]
    count = math.ceil((length - overlap) / (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]
