"""Regions in upright coordinates -> lines of text."""

from dataclasses import dataclass

import numpy as np

# Regions this much taller or lower than the median do not start lines of ordinary ones.
ODD_HEIGHT = 1.6


@dataclass(frozen=True)
class Frame:
    """Regions in upright coordinates: x along the reading direction, y downwards; each [n]."""

    x: np.ndarray
    y: np.ndarray
    half1: np.ndarray
    half2: np.ndarray
    slope: np.ndarray  # dy / dx of the region's own reading direction

    @property
    def x0(self) -> np.ndarray:
        """Left ends."""
        return self.x - self.half1

    @property
    def x1(self) -> np.ndarray:
        """Right ends."""
        return self.x + self.half1

    def take(self, index: np.ndarray) -> "Frame":
        """Some of the regions."""
        fields = (self.x, self.y, self.half1, self.half2, self.slope)
        return Frame(*(values[index] for values in fields))


def split_lines(part: Frame) -> list[np.ndarray]:
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

    def __init__(self, part: Frame):
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
    joints: _Joints, chains: list[list[int]], ordinary: int, part: Frame
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
