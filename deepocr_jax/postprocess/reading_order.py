"""Text regions of a page -> their reading order, and the text line of each.

Regions are grouped by reading direction; each group is turned upright and cut into blocks (columns
of running text are read one after the other, tables and forms across), blocks into lines.
"""

from dataclasses import dataclass

import numpy as np

from deepocr_jax.geometry.boxes import directions, normalize_phi

# Lengths are in units of the block's median region height.
MIN_ROW_GAP = 1.2
MIN_GUTTER = 1.5
MIN_COLUMN_ROWS = 3
MIN_COLUMN_WIDTH = 8.0
# Median row width over column width. Running text fills its column; cells of a table, which line
# up row by row, seldom do.
MIN_FILL, MIN_FILL_ALIGNED = 0.5, 0.75
# Regions this much taller or lower than the median do not start lines of ordinary ones.
ODD_HEIGHT = 1.6


@dataclass(frozen=True)
class _Frame:
    """Regions in upright coordinates: x along the reading direction, y downwards; each [n]."""

    x: np.ndarray
    y: np.ndarray
    half1: np.ndarray
    half2: np.ndarray
    slope: np.ndarray  # dy / dx of the region's own reading direction

    @property
    def x0(self) -> np.ndarray:
        return self.x - self.half1

    @property
    def x1(self) -> np.ndarray:
        return self.x + self.half1

    def take(self, index: np.ndarray) -> "_Frame":
        fields = (self.x, self.y, self.half1, self.half2, self.slope)
        return _Frame(*(values[index] for values in fields))


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
            lines += [group[block[line]] for line in _lines(frame.take(block))]
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


def _upright(boxes: np.ndarray, angle: float) -> _Frame:
    along, across = directions(np.asarray(angle))
    # Rounding keeps what is level on the upright page level on the turned one.
    x, y = np.round(boxes[:, :2] @ np.stack([along, across], axis=1), 6).T
    residual = normalize_phi(boxes[:, 2] - angle)
    # The angle of a short region is mostly noise.
    slope = np.where(boxes[:, 3] > 2 * boxes[:, 4], -np.tan(residual), 0.0)
    half1, half2 = np.round(boxes[:, 3:].T, 6)
    return _Frame(x, y, half1, half2, np.round(slope, 9))


def _blocks(frame: _Frame, block: np.ndarray) -> list[np.ndarray]:
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


def _columns(part: _Frame) -> list[np.ndarray]:
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


def _strip_rows(part: _Frame, height: float) -> tuple[np.ndarray, float, float]:
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


def _bands(part: _Frame, height: float) -> list[np.ndarray]:
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


def _gutter_candidates(part: _Frame, height: float, most: int = 4) -> list[float]:
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


def _lines(part: _Frame) -> list[np.ndarray]:
    """Lines of a block, top to bottom, each as indices from left to right."""
    median = float(np.median(part.half2))
    odd = (part.half2 > ODD_HEIGHT * median).astype(int) - (part.half2 * ODD_HEIGHT < median)
    joints = _Joints(part)
    chains = [joints.chain(np.flatnonzero(odd == kind)) for kind in (0, 1, -1)]
    lines = _join_odd(joints, [c for chain in chains for c in chain], len(chains[0]), part)
    ranked = [sorted(line, key=lambda i: (part.x[i], part.y[i])) for line in lines]
    return [np.array(line, np.intp) for line in joints.top_down(ranked)]


class _Joints:
    """How pairs of regions stand to each other; plain floats, as they are looked at singly."""

    def __init__(self, part: _Frame):
        self.x, self.y = part.x.tolist(), part.y.tolist()
        self.half1, self.half2 = part.half1.tolist(), part.half2.tolist()
        self.slope = part.slope.tolist()

    def gap(self, a: int, b: int) -> float:
        """Horizontal distance; negative where the regions overlap."""
        return abs(self.x[a] - self.x[b]) - self.half1[a] - self.half1[b]

    def stacked(self, a: int, b: int) -> bool:
        """Whether one stands over the other rather than beside it."""
        return -self.gap(a, b) > min(self.half1[a], self.half1[b])

    def drop(self, a: int, b: int) -> float:
        """How much lower b is than a, where they meet, each following its own direction."""
        sign = 1 if self.x[b] > self.x[a] else -1
        gap = self.gap(a, b)
        shift = 0.0
        for i, side in ((a, -sign), (b, -sign)):
            # No further beyond its end than a region is long: the angle is not that exact.
            reach = self.half1[i] + min(gap / 2, 2 * self.half1[i])
            shift += side * self.slope[i] * reach
        limit = self.half2[a] + self.half2[b]
        return self.y[b] - self.y[a] + max(-limit, min(limit, shift))

    def overlap(self, a: int, b: int) -> tuple[float, float]:
        """Vertical overlap of neighbours over the smaller height, and minus their drop."""
        if self.stacked(a, b):
            return 0.0, 0.0
        drop = abs(self.drop(a, b))
        low = max(2 * min(self.half2[a], self.half2[b]), 1e-9)
        return min((self.half2[a] + self.half2[b] - drop) / low, 1.0), -drop

    def chain(self, members: np.ndarray) -> list[list[int]]:
        """From left to right, adds each region to the line whose end it overlaps best."""
        lines: list[list[int]] = []
        cells: dict[int, list[list[int]]] = {}
        size = max([2 * self.half2[i] for i in members], default=0) or 1.0
        for i in sorted(members.tolist(), key=lambda i: (self.x[i] - self.half1[i], self.y[i])):
            cell = int(self.y[i] // size)
            near = [line for c in range(cell - 2, cell + 3) for line in cells.get(c, ())]
            scored = [(self.overlap(line[-1], i), line) for line in near]
            (score, _), line = max(scored, key=lambda s: s[0], default=((0.0, 0.0), []))
            if score >= 0.5:
                cells[int(self.y[line[-1]] // size)].remove(line)
            else:
                line = []
                lines.append(line)
            line.append(i)
            cells.setdefault(cell, []).append(line)
        return lines

    def top_down(self, lines: list[list[int]]) -> list[list[int]]:
        """Lines sorted by height, then neighbours put right by their nearest members."""

        def is_above(a: list[int], b: list[int]) -> bool:
            _, i, j = min((self.gap(i, j), i, j) for i in a for j in b)
            return self.drop(i, j) > 0

        def middle(line: list[int]) -> float:
            weights = [self.half1[i] / max(self.half2[i], 1e-9) ** 2 + 1e-9 for i in line]
            return sum(w * self.y[i] for w, i in zip(weights, line, strict=True)) / sum(weights)

        lines = sorted(lines, key=lambda line: (middle(line), self.x[line[0]]))
        for end in range(1, len(lines)):
            for k in range(end, 0, -1):
                if not is_above(lines[k], lines[k - 1]):
                    break
                lines[k - 1], lines[k] = lines[k], lines[k - 1]
        return lines


def _join_odd(
    joints: _Joints, chains: list[list[int]], ordinary: int, part: _Frame
) -> list[list[int]]:
    """Joins lines of odd height, those from `ordinary` on, to the lines that they overlap best.

    A line of odd height joins one line only, so a big initial does not glue two lines into one;
    of lines that it overlaps alike it takes the upper one.
    """
    owner = {i: n for n, chain in enumerate(chains) for i in chain}
    pairs = []
    for i in (i for chain in chains[ordinary:] for i in chain):
        near = np.abs(part.y - part.y[i]) < 2 * (part.half2 + part.half2[i])
        for j in np.flatnonzero(near).tolist():
            score = joints.overlap(i, j)[0] if owner[i] != owner[j] else 0.0
            if score >= 0.5:
                pairs.append((-round(4 * score), part.y[j], i, j))
    host = list(range(len(chains)))
    lines = [list(chain) for chain in chains]
    for *_, i, j in sorted(pairs):
        guest, target = owner[i], owner[j]
        while host[target] != target:
            target = host[target]
        if host[guest] != guest or guest == target:
            continue
        if not any(joints.stacked(a, b) for a in lines[guest] for b in lines[target]):
            host[guest] = target
            lines[target] += lines[guest]
            lines[guest] = []
    return [line for line in lines if line]
