"""Images -> words: the stages in a row, crops of all images of a call packed together."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.geometry.boxes import directions, sub_boxes
from deepocr_jax.infer.detector import Detection, DetectionSettings, DetectorNet, detect
from deepocr_jax.infer.lines import (
    Line,
    RecognitionSettings,
    align_short_boxes,
    direct_boxes,
    read_lines,
    set_upright,
)
from deepocr_jax.infer.orientation import OrientationNet
from deepocr_jax.infer.recognizer import (
    FRAME_PX,
    Reading,
    RecognizerNet,
    least_confidence,
    read_crops,
)
from deepocr_jax.infer.stages import work_ahead
from deepocr_jax.postprocess.ink import align_crop
from deepocr_jax.postprocess.reading_order import order_regions
from deepocr_jax.postprocess.word_lines import JoinParams, join_words
from deepocr_jax.postprocess.words import WordParams, WordSpan, cut_words, fit_words

PACKS_AHEAD = 1

Pack = TypeVar("Pack")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PageSettings:
    """Everything that `read_pages` can be told.

    Attributes:
        detection, recognition, words, join: Of the stages.
        orientation_rad: Reading direction; None: found out.
        sort_by_line: Whether words are put into reading order.
        min_confidence: Lines read with less mean confidence are dropped.
        min_word_area: Smaller regions are dropped, in square pixels.
    """

    detection: DetectionSettings = DetectionSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    words: WordParams = WordParams()
    join: JoinParams = JoinParams()
    orientation_rad: float | None = None
    sort_by_line: bool = True
    min_confidence: float = 0.5
    min_word_area: float = 10.0


@dataclass(frozen=True)
class Networks:
    """The networks of a reader; a missing one is None."""

    detector: DetectorNet | None
    recognizer: RecognizerNet | None
    orientation: OrientationNet | None


@dataclass(frozen=True)
class Word:
    """A word: its box in the image, what was read, its picture."""

    box: np.ndarray
    text: str = ""
    candidates: tuple[tuple[str, ...], ...] = ()
    confidences: tuple[tuple[float, ...], ...] = ()
    image: np.ndarray | None = None

    @property
    def confidence(self) -> float:
        """The least confidence of its characters."""
        return least_confidence(self.confidences)


@dataclass(frozen=True)
class Page:
    """One image's result: what the detector saw, the words in order, the line of each."""

    detection: Detection
    words: list[Word] = field(default_factory=list)
    line_index: list[int] = field(default_factory=list)


def read_packs(
    packs: Iterable[Sequence[np.ndarray]],
    nets: Networks,
    settings: PageSettings,
    pool: ThreadPoolExecutor,
) -> Iterator[list[Page]]:
    """Finds and reads the words of images, some of which are at hand at a time.

    While one pack's crops are read, the next one's pages are searched.

    Args:
        packs: [h, w, 3] uint8 RGB each; the crops of a pack's images are packed together.
        nets: With a detector; without a recognizer the pages' words are the regions found.
        settings: Parameters.
        pool: Works on several images and groups side by side.

    Returns:
        The pages of each pack, one an image, independent of the other images.
    """
    return _overlapping(
        functools.partial(_read_pack, nets=nets, settings=settings, pool=pool), packs
    )


def _overlapping(read: Callable[[Pack], Result], packs: Iterable[Pack]) -> Iterator[Result]:
    # Threads of their own: a pack waits for what it gives the pool.
    with ThreadPoolExecutor(PACKS_AHEAD + 1, thread_name_prefix="deepocr-pack") as of_packs:
        yield from work_ahead(read, packs, of_packs, PACKS_AHEAD)


def _read_pack(
    images: Sequence[np.ndarray],
    nets: Networks,
    settings: PageSettings,
    pool: ThreadPoolExecutor,
) -> list[Page]:
    assert nets.detector is not None
    found = detect(images, nets.detector, settings.detection, pool)
    read = nets.recognizer is not None
    by_page = [make_lines(i, x, settings, read) for i, x in enumerate(found)]
    lines = [line for of_page in by_page for line in of_page]
    if settings.orientation_rad is None and nets.orientation is not None:
        undirected = [line for line in lines if not found[line.page].are_words]
        set_upright(undirected, images, nets.orientation, nets.recognizer, settings.recognition)
    if nets.recognizer is not None:
        classifier = nets.orientation if settings.orientation_rad is None else None
        read_lines(lines, images, nets.recognizer, settings.recognition, pool, classifier)
    return [_page(x, mine, settings, read) for x, mine in zip(found, by_page, strict=True)]


def make_lines(page: int, found: Detection, settings: PageSettings, read: bool) -> list[Line]:
    """The lines of a page's boxes that are large enough, in their likely directions.

    Words that will be read are joined to lines; otherwise a line is a box that was found.
    """
    boxes = found.boxes
    boxes = boxes[4 * boxes[:, 3] * boxes[:, 4] >= settings.min_word_area]
    if settings.orientation_rad is not None:
        boxes = direct_boxes(boxes, settings.orientation_rad)
    elif not found.are_words:
        boxes = align_short_boxes(boxes)
    if found.are_words and read:
        return [Line(page, x.box, boxes[x.members]) for x in join_words(boxes, settings.join)]
    return [Line(page, box) for box in boxes]


def _page(detection: Detection, lines: list[Line], settings: PageSettings, read: bool) -> Page:
    """Cuts lines into words and puts them into reading order."""
    words: list[list[Word]] = [line_words(x, settings) if read else [Word(x.box)] for x in lines]
    order = np.arange(len(lines))
    index = np.arange(len(lines))
    if settings.sort_by_line and lines:
        order, index = order_regions(np.stack([x.box for x in lines]))
    ordered = [(word, int(index[i])) for i in order for word in words[i]]
    numbers = {line: k for k, line in enumerate(dict.fromkeys(line for _, line in ordered))}
    return Page(detection, [w for w, _ in ordered], [numbers[line] for _, line in ordered])


def line_words(line: Line, settings: PageSettings) -> list[Word]:
    """The words of a read line, each with its own box."""
    reading, crop = line.reading, line.crop
    assert reading is not None and crop is not None
    if reading.confidence < settings.min_confidence:
        return []
    centres = (reading.runs.start + reading.runs.stop) / 2 * FRAME_PX
    scale = 2 * line.box[4] / crop.shape[0]
    across = 2 * line.box[3] / crop.shape[1]
    if line.words is None:
        spans = cut_words(crop, reading.text, centres, _space_margins(reading), settings.words)
    else:
        edges = _edges_along(line.box, line.words) / across
        spans = fit_words(crop, reading.text, centres, edges, settings.words)
    if not spans:
        return []
    edges = np.array([[s.start, s.end, s.top, s.bottom] for s in spans])
    boxes = sub_boxes(line.box, edges * [across, across, scale, scale])
    return [_word(reading, s, b, crop) for s, b in zip(spans, boxes, strict=True)]


def _edges_along(box: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Where words start and end along a box's direction, from its first edge on: [m, 2]."""
    along, _ = directions(np.asarray(box[2]))
    middle = (words[:, :2] - box[:2]) @ along + box[3]
    return np.stack([middle - words[:, 3], middle + words[:, 3]], axis=1)


def _space_margins(reading: Reading) -> np.ndarray:
    """For each character the largest space margin of the frames up to the next one: [n]."""
    stops = [*reading.runs.start[1:], len(reading.space_margins)]
    pairs = zip(reading.runs.start, stops, strict=False)
    return np.array([reading.space_margins[a:b].max() for a, b in pairs])


def _word(reading: Reading, span: WordSpan, box: np.ndarray, crop: np.ndarray) -> Word:
    height, width = crop.shape[:2]
    rows = slice(max(0, math.floor(span.top)), min(height, math.ceil(span.bottom)))
    cols = slice(max(0, math.floor(span.start)), min(width, math.ceil(span.end)))
    return Word(
        box,
        "".join(reading.text[i] for i in span.characters),
        tuple(reading.candidates[i] for i in span.characters),
        tuple(reading.confidences[i] for i in span.characters),
        crop[rows, cols],
    )


@dataclass(frozen=True)
class CropReading:
    """One word crop's result: the image that the network saw, and what was read."""

    image: np.ndarray
    reading: Reading


def read_word_packs(
    packs: Iterable[Sequence[np.ndarray]],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor,
) -> Iterator[list[CropReading]]:
    """Reads images that are one tight word crop each ([h, w, 3] uint8 RGB); see `read_packs`."""
    return _overlapping(
        functools.partial(read_word_images, net=net, settings=settings, pool=pool), packs
    )


def read_word_images(
    images: Sequence[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[CropReading]:
    """Reads one pack of word crops."""
    scale = functools.partial(_word_crop, settings=settings)
    crops = list(pool.map(scale, images) if pool else map(scale, images))
    readings = read_word_crops(crops, net, settings, pool)
    return [CropReading(c, r) for c, r in zip(crops, readings, strict=True)]


def _word_crop(image: np.ndarray, settings: RecognitionSettings) -> np.ndarray:
    return scale_crop(align_crop(image) if settings.alignment else image, settings.max_width)


def read_word_crops(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads word crops that are scaled already ([LINE_HEIGHT, w, 3] uint8 RGB)."""
    readings = read_crops(
        crops, net, settings.max_width, settings.num_candidates, settings.batch_size, pool
    )
    return [_trimmed(reading) for reading in readings]


def _trimmed(reading: Reading) -> Reading:
    """The reading without spaces at its ends."""
    solid = [i for i, c in enumerate(reading.text) if not c.isspace()]
    inner = slice(solid[0], solid[-1] + 1) if solid else slice(0, 0)
    runs = reading.runs
    return replace(
        reading,
        text=reading.text[inner],
        candidates=reading.candidates[inner],
        confidences=reading.confidences[inner],
        runs=replace(runs, start=runs.start[inner], stop=runs.stop[inner], label=runs.label[inner]),
    )
