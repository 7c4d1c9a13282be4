"""Rotated boxes ("rectangle2"), quads, and the one place that converts between them.

A box is (row, col, phi, length1, length2): centre in pixel-centred coordinates, direction of
reading in radians (counter-clockwise while rows grow downwards), half length along it, half
height across it. Arrays of boxes are float64 [n, 5]; quads are [n, 4, 2] in (row, col), corners in
reading order: start of the top edge, its end, end of the bottom edge, its start.
"""

import numpy as np

FloatArray = np.ndarray


def directions(phi: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit vectors in (row, col): along the reading direction, and across it (downwards).

    [n] -> ([n, 2], [n, 2]).
    """
    sin, cos = np.sin(phi), np.cos(phi)
    return np.stack([-sin, cos], axis=-1), np.stack([cos, sin], axis=-1)


def boxes_to_quads(boxes: FloatArray) -> FloatArray:
    """[n, 5] -> [n, 4, 2]."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    along, across = directions(boxes[:, 2])
    half1 = along * boxes[:, 3:4]
    half2 = across * boxes[:, 4:5]
    centre = boxes[:, :2]
    corners = [centre - half1 - half2, centre + half1 - half2]
    corners += [centre + half1 + half2, centre - half1 + half2]
    return np.stack(corners, axis=1)


def quads_to_boxes(quads: FloatArray) -> FloatArray:
    """[n, 4, 2] -> the rectangles [n, 5] with the quads' mean edges; exact for rectangles."""
    quads = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    top, bottom = quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 3]
    left, right = quads[:, 3] - quads[:, 0], quads[:, 2] - quads[:, 1]
    along, across = (top + bottom) / 2, (left + right) / 2
    phi = np.arctan2(-along[:, 0], along[:, 1])
    centre = quads.mean(axis=1)
    length1 = np.linalg.norm(along, axis=1) / 2
    length2 = np.linalg.norm(across, axis=1) / 2
    return np.column_stack([centre, normalize_phi(phi), length1, length2])


def normalize_phi(phi: FloatArray) -> FloatArray:
    """Angles into (-pi, pi]."""
    return np.pi - np.mod(np.pi - np.asarray(phi, np.float64), 2 * np.pi)


def scale_boxes(boxes: FloatArray, row_factor: float, col_factor: float) -> FloatArray:
    """Boxes of an image -> boxes of the image scaled by the two factors.

    The centre of the top-left pixel stays at (0, 0) in both, hence the half-pixel shifts. With
    unequal factors a turned rectangle becomes a parallelogram; the rectangle with its edges' mean
    lengths is returned.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 5)
    factors = np.array([row_factor, col_factor])
    if row_factor == col_factor:
        scaled = boxes * [row_factor, row_factor, 1.0, row_factor, row_factor]
        scaled[:, :2] += (row_factor - 1) / 2
        return scaled
    return quads_to_boxes((boxes_to_quads(boxes) + 0.5) * factors - 0.5)


def box_bounds(boxes: FloatArray) -> FloatArray:
    """Axis-aligned bounds of rotated boxes: [n, 5] -> [n, 4] (row0, col0, row1, col1)."""
    quads = boxes_to_quads(boxes)
    return np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)


def contain_points(boxes: FloatArray, points: FloatArray) -> FloatArray:
    """Which boxes [n, 5] hold which points [m, 2] in (row, col): [n, m] bool."""
    offsets = points - boxes[:, None, :2]
    along, across = (np.einsum("nmi,ni->nm", offsets, d) for d in directions(boxes[:, 2]))
    return (np.abs(along) <= boxes[:, 3:4]) & (np.abs(across) <= boxes[:, 4:5])


def enclosing_box(boxes: FloatArray, phi: float) -> FloatArray:
    """The least box [5] of the direction `phi` around boxes [n, 5], n at least 1."""
    axes = np.stack(directions(np.asarray(phi, np.float64)))
    reach = boxes_to_quads(boxes).reshape(-1, 2) @ axes.T
    low, high = reach.min(axis=0), reach.max(axis=0)
    return np.array([*((low + high) / 2 @ axes), phi, *(high - low) / 2])


def sub_boxes(box: FloatArray, spans: FloatArray) -> FloatArray:
    """Boxes inside a box, given in its own frame.

    Args:
        box: [5], the outer box, or [n, 5], one for each.
        spans: [n, 4] (start, end along the reading direction; top, bottom across it), in pixels
            from the outer box's first corner.

    Returns:
        [n, 5] boxes with the outer box's direction.
    """
    spans = np.asarray(spans, np.float64).reshape(-1, 4)
    box = np.asarray(box, np.float64).reshape(-1, 5)
    along, across = directions(box[:, 2])
    offset1 = (spans[:, 0] + spans[:, 1]) / 2 - box[:, 3]
    offset2 = (spans[:, 2] + spans[:, 3]) / 2 - box[:, 4]
    centre = box[:, :2] + offset1[:, None] * along + offset2[:, None] * across
    half = (spans[:, 1::2] - spans[:, ::2]) / 2
    return np.column_stack([centre, np.broadcast_to(box[:, 2], len(spans)), half])


def turn_boxes(boxes: FloatArray, turned: FloatArray) -> FloatArray:
    """The boxes with those marked in `turned` ([n] bool) read from the other end."""
    boxes = np.array(boxes, np.float64).reshape(-1, 5)
    boxes[turned, 2] = normalize_phi(boxes[turned, 2] + np.pi)
    return boxes
