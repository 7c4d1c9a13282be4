"""Images -> words: the stages in a row, crops of all images of a call packed together."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from deepocr_jax.data.word_crops import scale_crop
from deepocr_jax.geometry.boxes import directions, sub_boxes
from deepocr_jax.infer.detector import Detection, DetectionSettings, DetectorNet
from deepocr_jax.infer.drafts import read_words
from deepocr_jax.infer.lines import Line, read_lines, set_upright
from deepocr_jax.infer.long_lines import MOST_COLUMNS
from deepocr_jax.infer.looks import LookNet
from deepocr_jax.infer.orientation import OrientationNet
from deepocr_jax.infer.readings import (
    Reading,
    RecognitionSettings,
    least_confidence,
)
from deepocr_jax.infer.recognizer import RecognizerNet
from deepocr_jax.infer.stages import work_ahead
from deepocr_jax.infer.straightening import detect
from deepocr_jax.postprocess.ink import align_crop
from deepocr_jax.postprocess.line_directions import agree_on_directions, direct_boxes
from deepocr_jax.postprocess.reading_order import order_regions
from deepocr_jax.postprocess.word_cuts import ReadLine, WordParams
from deepocr_jax.postprocess.word_lines import JoinParams, join_words
from deepocr_jax.postprocess.words import WordSpan, cut_words, fit_words

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
    min_confidence: float = 0.7
    min_word_area: float = 10.0


@dataclass(frozen=True)
class Networks:
    """The networks of a reader; a missing one is None."""

    detector: DetectorNet | None
    recognizer: RecognizerNet | None
    orientation: OrientationNet | None
    looks: LookNet | None = None


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
    direction = settings.orientation_rad
    found = detect(images, nets.detector, settings.detection, pool, direction, nets.looks)
    read = nets.recognizer is not None
    by_page = [make_lines(i, x, settings, read) for i, x in enumerate(found)]
    lines = [line for of_page in by_page for line in of_page]
    if settings.orientation_rad is None and nets.orientation is not None:
        undirected = [line for line in lines if not found[line.page].are_words]
        how = settings.recognition
        set_upright(undirected, images, nets.orientation, nets.recognizer, how, pool)
    if nets.recognizer is not None:
        classifier = nets.orientation if settings.orientation_rad is None else None
        read_lines(lines, images, nets.recognizer, settings.recognition, pool, classifier)
    finish = functools.partial(_page, settings=settings, read=read)
    return list(pool.map(finish, found, by_page))


def make_lines(page: int, found: Detection, settings: PageSettings, read: bool) -> list[Line]:
    """The lines of a page's boxes that are large enough, in their likely directions.

    Words that will be read are joined to lines; otherwise a line is a box that was found.
    """
    boxes = found.boxes
    boxes = boxes[4 * boxes[:, 3] * boxes[:, 4] >= settings.min_word_area]
    if settings.orientation_rad is not None:
        boxes = direct_boxes(boxes, settings.orientation_rad)
    elif not found.are_words:
        boxes = agree_on_directions(boxes, found.axis)
    if found.are_words and read:
        return [Line(page, x.box, boxes[x.members]) for x in join_words(boxes, settings.join)]
    return [Line(page, box) for box in boxes]


def _page(detection: Detection, lines: list[Line], settings: PageSettings, read: bool) -> Page:
    """Cuts lines into words and puts them into reading order."""
    words = page_words(lines, settings) if read else [[Word(x.box)] for x in lines]
    order = np.arange(len(lines))
    index = np.arange(len(lines))
    if settings.sort_by_line and lines:
        order, index = order_regions(np.stack([x.box for x in lines]))
    ordered = [(word, int(index[i])) for i in order for word in words[i]]
    numbers = {line: k for k, line in enumerate(dict.fromkeys(line for _, line in ordered))}
    return Page(detection, [w for w, _ in ordered], [numbers[line] for _, line in ordered])


def page_words(lines: Sequence[Line], settings: PageSettings) -> list[list[Word]]:
    """The words of each of some lines that were read, each word with its own box.

    All lines at once: numpy's calls for a line's few characters take longer than their work, and
    hold the interpreter meanwhile.
    """
    sure = [i for i, x in enumerate(lines) if x.confidence >= settings.min_confidence]
    spans = dict(zip(sure, _spans([lines[i] for i in sure], settings), strict=True))
    words: list[list[Word]] = [[] for _ in lines]
    each = [(i, span) for i in sure for span in spans[i]]
    if not each:
        return words
    edges = np.array([[s.start, s.end, s.top, s.bottom] for _, s in each])
    owners = np.array([i for i, _ in each])
    outer = np.stack([x.box for x in lines])[owners]
    sizes = np.array([(0, 0) if x.crop is None else x.crop.shape[:2] for x in lines])[owners]
    down, along = (2 * outer[:, [4, 3]] / sizes).T
    boxes = sub_boxes(outer, edges * np.stack([along, along, down, down], axis=1))
    for (i, span), box in zip(each, boxes, strict=True):
        words[i].append(_word(lines[i], span, box))
    return words


def _spans(lines: Sequence[Line], settings: PageSettings) -> list[list[WordSpan]]:
    """Where the words of lines lie in their crops."""
    read = [_read_line(x) for x in lines]
    whole = [x for x, line in zip(read, lines, strict=True) if line.words is None]
    cut = iter(cut_words(whole, settings.words))
    spans = []
    for x, line in zip(read, lines, strict=True):
        if line.words is None:
            spans.append(next(cut))
        else:
            edges = _edges_along(line.box, line.words) / (2 * line.box[3] / x.crop.shape[1])
            spans.append(fit_words(x.crop, x.text, x.centres, edges, settings.words))
    return spans


def _read_line(line: Line) -> ReadLine:
    reading, crop = line.reading, line.crop
    assert reading is not None and crop is not None
    return ReadLine(crop, reading.text, reading.centres, reading.spaces)


def _edges_along(box: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Where words start and end along a box's direction, from its first edge on: [m, 2]."""
    along, _ = directions(np.asarray(box[2]))
    middle = (words[:, :2] - box[:2]) @ along + box[3]
    return np.stack([middle - words[:, 3], middle + words[:, 3]], axis=1)


def _word(line: Line, span: WordSpan, box: np.ndarray) -> Word:
    reading, crop = line.reading, line.crop
    assert reading is not None and crop is not None
    height, width = crop.shape[:2]
    rows = slice(max(0, math.floor(span.top)), min(height, math.ceil(span.bottom)))
    cols = slice(max(0, math.floor(span.start)), min(width, math.ceil(span.end)))
    return Word(
        box,
        "".join([reading.text[i] for i in span.characters]),
        tuple([reading.candidates[i] for i in span.characters]),
        tuple([reading.confidences[i] for i in span.characters]),
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
    return scale_crop(align_crop(image) if settings.alignment else image, MOST_COLUMNS)


def read_word_crops(
    crops: list[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads word crops that are scaled already ([LINE_HEIGHT, w, 3] uint8 RGB)."""
    return [reading.stripped() for reading in read_words(crops, net, settings, pool)]
