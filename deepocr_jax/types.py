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

from collections.abc import Sequence
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

ImageArray: TypeAlias = npt.NDArray[np.uint8]
"""RGB image, uint8 [height, width, 3]."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
"""Array of real numbers; the field that holds it says its shape and unit."""

IntArray: TypeAlias = npt.NDArray[np.integer[Any]]
"""Array of whole numbers; the field that holds it says its shape and unit."""


SCORE_MAP_NAMES = ("character", "link", "sin", "cos")
"""Channels of the score maps of a detector that finds words."""


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


Split: TypeAlias = Literal["train", "validation", "test"]
"""Part of a data set that a sample belongs to."""


class DLSample(TypedDict, total=False):
    """One sample of a data set, or one input of a model.

    The labels are those of `DLDatasetSample`, after the same preprocessing as the image.

    Attributes:
        image: RGB image, uint8 [h, w, 3].
        image_id: number of the image in its data set.
        word: the text on the image, where it is known.
        image_label_id: class ids of the image (classification).
        anomaly_ground_truth: [h, w], where the image is anomalous.
        anomaly_label: name of the image's class (anomaly detection).
        anomaly_label_id: id of the image's class (anomaly detection).
        segmentation_image: [h, w] class id of each pixel.
        weight_image: [h, w] weight of each pixel (segmentation).
        bbox_label_id: class ids of the n boxes.
        bbox_row1: [n] first row of upright boxes.
        bbox_col1: [n] first column of upright boxes.
        bbox_row2: [n] last row of upright boxes.
        bbox_col2: [n] last column of upright boxes.
        bbox_row: [n] row of the centre of rotated boxes.
        bbox_col: [n] column of the centre of rotated boxes.
        bbox_phi: [n] angle of rotated boxes in radians.
        bbox_length1: [n] half length of rotated boxes along their angle.
        bbox_length2: [n] half length of rotated boxes across it.
        label_custom_data: a dictionary for each box, with its "text" where it is a word.
        coco_raw_annotations: a dictionary for each box, as COCO has it.
    """

    image: ImageArray
    image_id: int
    word: str
    image_label_id: list[int]
    anomaly_ground_truth: npt.NDArray[np.uint8]
    anomaly_label: str
    anomaly_label_id: int
    segmentation_image: IntArray
    weight_image: FloatArray
    bbox_label_id: list[int]
    bbox_row1: list[float]
    bbox_col1: list[float]
    bbox_row2: list[float]
    bbox_col2: list[float]
    bbox_row: list[float]
    bbox_col: list[float]
    bbox_phi: list[float]
    bbox_length1: list[float]
    bbox_length2: list[float]
    label_custom_data: list[dict[str, Any]]
    coco_raw_annotations: list[dict[str, Any]]


class DLDatasetSample(TypedDict, total=False):
    """Description of one sample of a `DLDataset`; the labels depend on the method.

    A sample of a recognition data set has one `word`. Where it is to be cut out of a larger image,
    it has the five keys of one rotated box as well, as plain numbers instead of lists.

    Attributes:
        image_file_name: the image, relative to `image_dir`.
        image_id: unique number of the sample.
        split: part of the data set (added by `split_dl_dataset`).
        dlsample_file_name: the preprocessed sample, relative to `dlsample_dir` (added by
            preprocessing).
        image_label_id: class ids of the image (classification).
        anomaly_file_name: region or image of the anomaly, relative to `anomaly_dir`.
        anomaly_label: name of the image's class (anomaly detection).
        segmentation_file_name: image of class ids, relative to `segmentation_dir`.
        bbox_label_id: class id of each box (object detection, text detection).
        bbox_row1: first row of each upright box, in pixels; pixel-centred as all coordinates.
        bbox_col1: first column of each upright box.
        bbox_row2: last row of each upright box.
        bbox_col2: last column of each upright box.
        bbox_row: row of the centre of each rotated box.
        bbox_col: column of the centre of each rotated box.
        bbox_phi: angle of each rotated box in radians.
        bbox_length1: half length of each rotated box along its angle, in pixels.
        bbox_length2: half length of each rotated box across its angle, in pixels.
        coco_raw_annotations: a dictionary for each box, as COCO has it.
        label_custom_data: a dictionary for each box; "text" is its word.
        word: the text on the image or in the one box (recognition).
    """

    image_file_name: str
    image_id: int
    split: Split
    dlsample_file_name: str
    image_label_id: list[int]
    anomaly_file_name: str
    anomaly_label: str
    segmentation_file_name: str
    bbox_label_id: list[int]
    bbox_row1: list[float]
    bbox_col1: list[float]
    bbox_row2: list[float]
    bbox_col2: list[float]
    bbox_row: list[float] | float
    bbox_col: list[float] | float
    bbox_phi: list[float] | float
    bbox_length1: list[float] | float
    bbox_length2: list[float] | float
    coco_raw_annotations: list[dict[str, Any]]
    label_custom_data: list[dict[str, Any]]
    word: str


class DLPreprocessParam(TypedDict, total=False):
    """How samples are preprocessed; `data.preprocess` makes and checks it.

    Attributes:
        model_type: "ocr_recognition", "ocr_detection", or another method of the data sets.
        image_width: width of the model's images in pixels; for recognition the largest one.
        image_height: height of the model's images in pixels.
        image_num_channels: channels of the model's images.
        image_range_min: smallest value of the model's images.
        image_range_max: largest value of the model's images.
        normalization_type: "none", "first_channel", "all_channels" or "constant_values".
        mean_values_normalization: mean of each channel, for "constant_values".
        deviation_values_normalization: deviation of each channel, for "constant_values".
        domain_handling: what counts of an image: "full_domain" is all of it.
        augmentation: whether the preprocessing is for augmented samples.
    """

    model_type: str
    image_width: int
    image_height: int
    image_num_channels: int
    image_range_min: float
    image_range_max: float
    normalization_type: str
    mean_values_normalization: list[float]
    deviation_values_normalization: list[float]
    domain_handling: str
    augmentation: bool


class DLDataset(TypedDict, total=False):
    """A data set: where its files are, its classes, and a description of each sample.

    Attributes:
        image_dir: folder that the images' names are relative to.
        dlsample_dir: folder of the preprocessed samples (added by preprocessing).
        anomaly_dir: folder of the anomaly regions.
        segmentation_dir: folder of the segmentation images.
        class_names: names of the classes.
        class_ids: their ids, 0 to 65534, in the order of `class_names`.
        class_custom_data: a dictionary for each class; "is_text_class" says that its boxes hold
            words.
        class_weights: weight of each class (segmentation, added by preprocessing).
        preprocess_param: how the samples were preprocessed (added by preprocessing).
        samples: the samples.
    """

    image_dir: Required[str]
    dlsample_dir: str
    anomaly_dir: str
    segmentation_dir: str
    class_names: list[str]
    class_ids: list[int]
    class_custom_data: list[dict[str, Any]]
    class_weights: list[float]
    preprocess_param: DLPreprocessParam
    samples: Required[list[DLDatasetSample]]


class Batch(TypedDict):
    """A batch of recognition samples, n rows on a canvas W columns wide; frames T = W // 8.

    Attributes:
        image: uint8 [n, 48, W, 3], RGB, padded with zeros on the right.
        width: int32 [n], columns of each row that are image.
        label: int32 [n, T], classes (index in the alphabet + 1), padded with 0.
        label_length: int32 [n], classes of each row that are label.
        mask: float32 [n], 1 where the row is a sample, 0 where it only fills the batch.
        image_id: int64 [n], the id of each row's sample.
    """

    image: ImageArray
    width: npt.NDArray[np.int32]
    label: npt.NDArray[np.int32]
    label_length: npt.NDArray[np.int32]
    mask: npt.NDArray[np.float32]
    image_id: npt.NDArray[np.int64]


class CropSource(Protocol):
    """Random access to n word crops, each 48 pixels high, with their texts."""

    def __len__(self) -> int:
        """The number n of crops."""
        ...

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels."""
        ...

    @property
    def ids(self) -> Sequence[int]:
        """[n] image_id of each crop."""
        ...

    def crop(self, index: int) -> ImageArray:
        """One crop, uint8 [48, widths[index], 3]; the same on every call, from any thread."""
        ...

    def word(self, index: int) -> str:
        """The text of one crop."""
        ...


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
