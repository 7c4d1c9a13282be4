"""Types of the inputs and results of the library.

Conventions of all geometry:

* Coordinates are (row, col) in pixels and pixel-centred: the centre of the top left pixel is
  (0, 0), rows grow downwards, columns to the right.
* `phi` is an angle in radians in (-pi, pi]: that of the reading axis to the horizontal, positive
  counter-clockwise as seen on the screen (although rows grow downwards), so the unit vector of
  the reading direction is (d_row, d_col) = (-sin(phi), cos(phi)).
* `length1` is half the length of a box along its reading direction, `length2` half its height
  across that direction, both in pixels.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

ImageArray: TypeAlias = npt.NDArray[np.uint8]
"""RGB image, uint8 [height, width, 3]."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Array of real numbers; the field that holds it says its shape and unit."""

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
"""Array of whole numbers; the field that holds it says its shape and unit."""


class CharCandidates(TypedDict):
    """Readings of one character position, the most likely first.

    Attributes:
        candidate: the characters, one string each.
        confidence: their confidences in [0, 1], in the order of `candidate`.
    """

    candidate: list[str]
    confidence: list[float]


class Boxes(TypedDict):
    """Oriented boxes around n words; every array has the shape [n].

    Attributes:
        row: row of the centre, in pixels.
        col: column of the centre, in pixels.
        phi: angle of the reading axis to the horizontal, in radians in (-pi, pi],
            counter-clockwise positive.
        length1: half length along the reading direction, in pixels.
        length2: half height across the reading direction, in pixels.
    """

    row: FloatArray
    col: FloatArray
    phi: FloatArray
    length1: FloatArray
    length2: FloatArray


class Words(Boxes):
    """The n words of an image: their boxes on the image and what they read.

    Attributes:
        line_index: [n] number of the text line that each word belongs to, from 0.
        confidence: [n] confidence of each word in [0, 1].
        word: the n texts.
        char_candidates: for each word, the readings of each of its characters.
        word_image: for each word, its upright crop from the image, uint8 [h, w, 3].
    """

    line_index: IntArray
    confidence: FloatArray
    word: list[str]
    char_candidates: list[list[CharCandidates]]
    word_image: list[ImageArray]


class DeepOCRResult(TypedDict, total=False):
    """Result for one image; which keys are there depends on the mode of the handle.

    Attributes:
        image: the image as the detection saw it, uint8 [h, w, 3].
        score_maps: score maps of the detection, float [map_h, map_w, maps].
        words: the words found on the image, with their texts where recognition ran.
        word_boxes_on_image: the boxes of the words in pixels of the given image.
        word_boxes_on_score_maps: the same boxes in pixels of the score maps.
        word: the text, where the image is the crop of one word (recognition alone).
        char_candidates: the readings of each character of `word`.
        confidence: the confidence of `word` in [0, 1].
    """

    image: ImageArray
    score_maps: FloatArray
    words: Words
    word_boxes_on_image: Boxes
    word_boxes_on_score_maps: Boxes
    word: str
    char_candidates: list[CharCandidates]
    confidence: float


class DLSample(TypedDict, total=False):
    """One sample of a data set, or one input of a model.

    Attributes:
        image: RGB image, uint8 [h, w, 3].
        image_id: number of the image in its data set.
        word: the text on the image, where it is known.
    """

    image: ImageArray
    image_id: int
    word: str


class DLResult(TypedDict, total=False):
    """Result of one model for one sample; which keys are there depends on the kind of model.

    Attributes:
        score_maps: score maps of a detection model, float [map_h, map_w, maps].
        words: the boxes that a detection model found, in pixels of its input image.
        word: the text that a recognition model read.
        char_candidates: the readings of each character of `word`.
        confidence: the confidence of `word` in [0, 1].
    """

    score_maps: FloatArray
    words: Boxes
    word: str
    char_candidates: list[CharCandidates]
    confidence: float
