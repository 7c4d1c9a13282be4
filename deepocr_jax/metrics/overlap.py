"""Areas of rotated boxes and of what two of them share."""

from __future__ import annotations

import numpy as np

from deepocr_jax.geometry.boxes import box_bounds, boxes_to_quads


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """[n, 5] -> [n] areas in square pixels."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    return 4 * boxes[:, 3] * boxes[:, 4]


def intersection_areas(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shared area of each two boxes: [n, 5], [m, 5] -> [n, m] in square pixels."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    others = np.asarray(others, np.float64).reshape(-1, 5)
    a, b = box_bounds(boxes), box_bounds(others)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    quads, other_quads = boxes_to_quads(boxes), boxes_to_quads(others)
    areas = np.zeros((len(boxes), len(others)))
    # Most pairs are far apart: only those whose upright bounds overlap are clipped.
    for i, j in np.argwhere((high > low).all(axis=-1)):
        areas[i, j] = _clipped_area(quads[i], other_quads[j])
    # Rounding must not let the shared area exceed that of either box.
    limit = np.minimum(box_areas(boxes)[:, None], box_areas(others)[None])
    return np.minimum(areas, limit)


def _clipped_area(polygon: np.ndarray, window: np.ndarray) -> float:
    """Area of a convex polygon [k, 2] inside a convex window [4, 2].

    Sutherland and Hodgman, "Reentrant polygon clipping", 1974: the polygon is cut by the line
    through each edge of the window in turn. Both are in reading order, so inside is one side.
    """
    for start, stop in zip(window, np.roll(window, -1, axis=0), strict=True):
        edge = stop - start
        offset = polygon - start
        # Positive inside: quads run along, then across the reading direction in (row, col).
        side = edge[1] * offset[:, 0] - edge[0] * offset[:, 1]
        kept = []
        for k in range(len(polygon)):
            following = (k + 1) % len(polygon)
            if side[k] >= 0:
                kept.append(polygon[k])
            if side[k] * side[following] < 0:
                share = side[k] / (side[k] - side[following])
                kept.append(polygon[k] + share * (polygon[following] - polygon[k]))
        if len(kept) < 3:
            return 0.0
        polygon = np.array(kept)
    row, col = (polygon - polygon[0]).T
    return abs(float(row @ np.roll(col, -1) - col @ np.roll(row, -1))) / 2
