"""Boxes of words and the cells of their characters, one from the other."""

import numpy as np

from deepocr_jax.geometry.boxes import boxes_to_quads, directions, sub_boxes


def split_box(box: np.ndarray, text: str) -> tuple[np.ndarray, np.ndarray]:
    """A box and what stands in it -> equally wide cells of its characters.

    Args:
        box: [5] on an image.
        text: Its transcript; a space takes a cell's room, gives none, and begins another word.

    Returns:
        Quads float32 [n, 4, 2] with corners (x, y) in continuous coordinates, where pixel i covers
        [i, i + 1); and the number of each cell's word in the text, int32 [n], from 0 on.
    """
    width, height = 2 * box[3], 2 * box[4]
    edges = np.linspace(0.0, width, len(text) + 1)
    spaces = np.array([character.isspace() for character in text], bool)
    sides = np.broadcast_to([0.0, height], (len(text), 2))
    spans = np.column_stack([edges[:-1], edges[1:], sides])[~spaces]
    quads = boxes_to_quads(sub_boxes(box, spans))[..., ::-1] + 0.5
    # A word begins where a character follows a space, or nothing.
    begins = ~spaces & np.concatenate([[True], spaces[:-1]])[: len(text)]
    words = np.cumsum(begins)[~spaces] - 1
    return quads.astype(np.float32), words.astype(np.int32)


def boxes_of_words(
    quads: np.ndarray, words: np.ndarray, visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of characters -> the boxes of their words.

    Args:
        quads: [k, 4, 2] corners (x, y), continuous.
        words: [k] numbers of the words, -1: no character.
        visible: [k] bool.

    Returns:
        Boxes [n, 5] around all cells of a word, along the sum of their upper edges; and whether
        all characters of a word are visible, [n] bool.
    """
    boxes, whole = [], []
    for word in np.unique(words[words >= 0]):
        members = words == word
        cells = np.asarray(quads[members], np.float64)
        x, y = (cells[:, 1] - cells[:, 0]).sum(axis=0)
        phi = np.arctan2(-y, x)
        along, across = (vector[0] for vector in directions(np.array([phi])))
        points = cells.reshape(-1, 2)[:, ::-1] - 0.5
        u, v = points @ along, points @ across
        centre = (u.min() + u.max()) / 2 * along + (v.min() + v.max()) / 2 * across
        boxes.append([*centre, phi, np.ptp(u) / 2, np.ptp(v) / 2])
        whole.append(visible[members].all())
    return np.array(boxes, np.float64).reshape(-1, 5), np.array(whole, bool)
