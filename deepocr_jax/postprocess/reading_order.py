"""Text regions of a page -> their reading order, and the text line of each.

Regions are grouped by reading direction; each group is turned upright and cut into blocks (columns
of running text are read one after the other, tables and forms across), blocks into lines.
"""

import numpy as np

from deepocr_jax.geometry.boxes import directions, normalize_phi
from deepocr_jax.postprocess.text_lines import Frame, split_lines

# Lengths are in units of the block's median region height.
MIN_ROW_GAP = 1.2
MIN_GUTTER = 1.5
MIN_COLUMN_ROWS = 3
MIN_COLUMN_WIDTH = 8.0
# Median row width over column width. Running text fills its column; cells of a table, which line
# up row by row, seldom do.
MIN_FILL, MIN_FILL_ALIGNED = 0.5, 0.75


def order_regions(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reading order and text lines of a page's regions.

    Args:
        boxes: [n, 5] regions with their directions of reading, in pixels.

    Returns:
        order [n]: indices into `boxes` in reading order; line_index [n]: for each box, in the
        order of the input, the number of its text line, counted from 0 in reading order.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    lines: list[np.ndarray] = []
    for group, angle in _direction_groups(boxes):
        frame = _upright(boxes[group], angle)
        for block in _blocks(frame, np.arange(len(group))):
            lines += [group[block[line]] for line in split_lines(frame.take(block))]
    order = np.concatenate([np.zeros(0, np.intp), *lines])
    line_index = np.empty(len(boxes), np.intp)
    sizes = np.array([len(line) for line in lines], np.intp)
    line_index[order] = np.repeat(np.arange(len(lines)), sizes)
    return order, line_index


def _direction_groups(boxes: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Indices and median angle of each quadrant of directions, most text first."""
    if len(boxes) == 0:
        return []
    length = np.maximum(boxes[:, 3], 1e-3)
    # Quadrants are counted from the page's skew, so none begins in the middle of a turned page.
    skew = np.angle(np.sum(length * np.exp(4j * boxes[:, 2]))) / 4
    quadrant = np.round((boxes[:, 2] - skew) / (np.pi / 2))
    residual = boxes[:, 2] - quadrant * (np.pi / 2)
    quadrant = quadrant.astype(int) % 4
    groups = []
    for q in np.unique(quadrant):
        index = np.flatnonzero(quadrant == q)
        ranked = index[np.argsort(residual[index], kind="stable")]
        mass = np.cumsum(length[ranked])
        median = residual[ranked[np.searchsorted(mass, mass[-1] / 2)]]
        groups.append((-round(mass[-1], 6), q, index, median + q * np.pi / 2))
    return [(index, angle) for _, _, index, angle in sorted(groups, key=lambda g: g[:2])]


def _upright(boxes: np.ndarray, angle: float) -> Frame:
    along, across = directions(np.asarray(angle))
    # Rounding keeps what is level on the upright page level on the turned one.
    x, y = np.round(boxes[:, :2] @ np.stack([along, across], axis=1), 6).T
    residual = normalize_phi(boxes[:, 2] - angle)
    # The angle of a short region is mostly noise.
    slope = np.where(boxes[:, 3] > 2 * boxes[:, 4], -np.tan(residual), 0.0)
    half1, half2 = np.round(boxes[:, 3:].T, 6)
    return Frame(x, y, half1, half2, np.round(slope, 9))


def _blocks(frame: Frame, block: np.ndarray) -> list[np.ndarray]:
    """Recursive XY cut: the blocks in reading order, each to be read line by line."""
    if len(block) < 2 * MIN_COLUMN_ROWS:
        return [block]
    part = frame.take(block)
    height = 2 * float(np.median(part.half2))
    cuts = _columns(part) or _bands(part, height)
    if not cuts:
        reach = part.half2 + part.half1 * np.abs(part.slope)
        cuts = _split_at_gaps(part.y - reach, part.y + reach, MIN_ROW_GAP * height)
    if len(cuts) < 2:
        return [block]
    return [leaf for cut in cuts for leaf in _blocks(frame, block[cut])]


def _split_at_gaps(low: np.ndarray, high: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of intervals, [n] starts and ends, split where nothing lies for more than `gap`."""
    ranked = np.argsort(low, kind="stable")
    wide = low[ranked[1:]] - np.maximum.accumulate(high[ranked])[:-1] > gap
    return np.split(ranked, np.flatnonzero(wide) + 1)


def _columns(part: Frame) -> list[np.ndarray]:
    """Indices of each column of running text, left to right; empty if there are no two."""
    height = 2 * float(np.median(part.half2))
    strips = _split_at_gaps(part.x0, part.x1, MIN_GUTTER * height)
    rows = [_strip_rows(part.take(strip), height) for strip in strips]
    columns = [strips[0]]
    for i in range(1, len(strips)):
        if _both_running_text(rows[i - 1], rows[i], height):
            columns.append(strips[i])
        else:
            columns[-1] = np.concatenate([columns[-1], strips[i]])
    return columns if len(columns) > 1 else []


def _strip_rows(part: Frame, height: float) -> tuple[np.ndarray, float, float]:
    """Rows of a strip: their [m] heights on the page, median width, and that over the strip's."""
    ranked = np.argsort(part.y, kind="stable")
    y = part.y[ranked]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(y) > 0.4 * height) + 1])
    right = np.maximum.reduceat(part.x1[ranked], starts)
    left = np.minimum.reduceat(part.x0[ranked], starts)
    width = float(np.median(right - left))
    return y[starts], width, width / max(float(right.max() - left.min()), 1e-9)


def _both_running_text(
    left: tuple[np.ndarray, float, float], right: tuple[np.ndarray, float, float], height: float
) -> bool:
    """Whether two neighbouring strips are columns of text, not cells of a table."""
    few, many = sorted([left[0], right[0]], key=len)
    narrow, fill = min(left[1], right[1]), min(left[2], right[2])
    if len(few) < MIN_COLUMN_ROWS or narrow < MIN_COLUMN_WIDTH * height or fill < MIN_FILL:
        return False
    level = np.abs(few[:, None] - many).min(axis=1) < height / 4
    return bool(level.mean() < 0.8 or fill >= MIN_FILL_ALIGNED)


def _bands(part: Frame, height: float) -> list[np.ndarray]:
    """Rows of columns and of what spans them (headings), top to bottom; empty if there are none."""
    ranked = np.argsort(part.y, kind="stable")
    for x in _gutter_candidates(part, height):
        spans = (part.x0 < x + height / 2) & (part.x1 > x - height / 2)
        offset = np.abs(part.y[:, None] - part.y[spans])
        # What stands beside a spanning region is part of the heading, not of a column.
        heading = spans | (offset < part.half2[spans]).any(axis=1)
        edges = np.flatnonzero(np.diff(heading[ranked])) + 1
        bands = np.split(ranked, edges)
        if len(bands) > 1 and any(not heading[b[0]] and _columns(part.take(b)) for b in bands):
            return bands
    return []


def _gutter_candidates(part: Frame, height: float, most: int = 4) -> list[float]:
    """Places x that few regions cross, compared with either side; the emptiest first."""
    step = max(height / 4, float(np.ptp(part.x)) / 2000, 1e-6)
    left = part.x0.min()
    first = ((part.x0 - left) / step).astype(int)
    last = np.ceil((part.x1 - left) / step).astype(int)
    size = last.max() + 1
    cover = np.cumsum(np.bincount(first, minlength=size) - np.bincount(last, minlength=size))
    from_left = np.maximum.accumulate(cover)
    from_right = np.maximum.accumulate(cover[::-1])[::-1]
    low = np.flatnonzero(cover <= np.minimum(from_left, from_right) / 2)
    low = low[low < size - 1]
    if len(low) == 0:
        return []
    valleys = []
    for run in np.split(low, np.flatnonzero(np.diff(low) > 1) + 1):
        deepest = run[cover[run] == cover[run].min()]
        centre = left + (deepest[len(deepest) // 2] + 0.5) * step
        valleys.append((cover[deepest[0]], -len(deepest), centre))
    return [x for _, _, x in sorted(valleys)[:most]]
