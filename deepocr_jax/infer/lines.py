"""Text regions on their way to readings: which way up, cropped, read."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from deepocr_jax.geometry.boxes import turn_boxes
from deepocr_jax.geometry.crops import crop_box
from deepocr_jax.infer.drafts import read_by_words
from deepocr_jax.infer.long_lines import MOST_COLUMNS
from deepocr_jax.infer.orientation import WIDTH, OrientationNet, turned_probability
from deepocr_jax.infer.readings import Reading, RecognitionSettings
from deepocr_jax.infer.recognizer import LINE_HEIGHT, RecognizerNet
from deepocr_jax.postprocess.line_directions import is_across, is_upright, page_axis

# Enough that giving a task to a thread takes little beside it.
LINES_A_TASK = 16
# So many lines of a direction decide which way up it is; the classifier is surest about lines of
# about this length.
VOTERS = 6
VOTER_ASPECT = 5.0
# The classifier sees the middle of a line, at most so many times as long as high, squeezed into its
# canvas. So it is right about 97 % of FUNSD's lines of 7 to 12 times; about whole ones of 12 to 20
# times 93 %, of more 79 %, about the middle of these 98 and 95 %.
SEEN_ASPECT = 9.0
# Mean vote within this range is no decision; the recognizer then reads the voters both ways. So it
# does those of lines at an angle, which the classifier knows less well.
UNSURE = (0.25, 0.75)
# Lines read with less mean confidence are read upside down too if the classifier takes them for
# that, and the better one is kept.
DOUBTFUL = 0.95
CLEARLY_BETTER = 0.1


@dataclass
class Line:
    """A text region: its page, its box in the image, and what the stages add.

    Attributes:
        page: Number of the image.
        box: [5] in the image.
        words: [m, 5] boxes of its words in the order of reading, where the detector found words.
        crop: The region upright.
        reading: What was read in it.
    """

    page: int
    box: np.ndarray
    words: np.ndarray | None = None
    crop: np.ndarray | None = None
    reading: Reading | None = None

    @property
    def confidence(self) -> float:
        """Mean confidence of what was read."""
        return self.reading.confidence if self.reading is not None else 0.0


def line_width(box: np.ndarray, max_width: int) -> int:
    """Width of a region's crop at `LINE_HEIGHT`."""
    return int(min(max_width, max(8, math.ceil(LINE_HEIGHT * box[3] / max(box[4], 0.5)))))


def set_upright(
    lines: list[Line],
    images: Sequence[np.ndarray],
    classifier: OrientationNet,
    recognizer: RecognizerNet | None,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> None:
    """Turns the lines that are upside down; some lines of a page and direction decide for all.

    The directions of a page's lines agree, see `postprocess.line_directions`.
    """
    groups = _direction_groups(lines)
    ballots = [sorted(g, key=_voter_rank)[:VOTERS] for g in groups]
    voters = [x for ballot in ballots for x in ballot]
    crops = [crop_seen(x, images) for x in voters]
    votes = turned_probability(crops, classifier)
    unsure: list[tuple[list[Line], list[Line]]] = []
    for group, ballot in zip(groups, ballots, strict=True):
        share, votes = votes[: len(ballot)].mean(), votes[len(ballot) :]
        undecided = UNSURE[0] < share < UNSURE[1] or not is_upright(group[0].box[2])
        if recognizer is not None and undecided:
            unsure.append((group, ballot))
        elif share > 0.5:
            _turn(group)
    if unsure and recognizer is not None:
        _settle(unsure, images, recognizer, settings, pool)


def _direction_groups(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines along each page's axis, and those across it; see `agree_on_directions`."""
    pages: dict[int, list[Line]] = {}
    for line in lines:
        pages.setdefault(line.page, []).append(line)
    groups = []
    for of_page in pages.values():
        boxes = np.stack([x.box for x in of_page])
        across = is_across(boxes, page_axis(boxes))
        for side in (False, True):
            group = [x for x, is_side in zip(of_page, across == side, strict=True) if is_side]
            groups += [group] if group else []
    return groups


def _voter_rank(line: Line) -> float:
    return abs(math.log(max(line.box[3], 1.0) / max(line.box[4], 1.0) / VOTER_ASPECT))


def _turn(lines: list[Line]) -> None:
    for line in lines:
        turned = _turned(line)
        line.box, line.words = turned.box, turned.words


def _turned(line: Line) -> Line:
    """The same place, to be read from the other end."""
    (box,) = turn_boxes(line.box[None], np.array([True]))
    words = line.words
    if words is not None:
        words = turn_boxes(words, np.ones(len(words), bool))[::-1]
    return Line(line.page, box, words)


def _settle(
    groups: list[tuple[list[Line], list[Line]]],
    images: Sequence[np.ndarray],
    recognizer: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None,
) -> None:
    """Reads each group's voters both ways up, and turns the group if that reads better."""
    both = [y for _, b in groups for x in b for y in (Line(x.page, x.box), _turned(x))]
    read_once(both, images, recognizer, settings, pool)
    for group, ballot in groups:
        mine, both = both[: 2 * len(ballot)], both[2 * len(ballot) :]
        gain = sum(t.confidence * len(t.reading.text) for t in mine[1::2] if t.reading)
        gain -= sum(u.confidence * len(u.reading.text) for u in mine[::2] if u.reading)
        if gain > 0:
            _turn(group)


def read_lines(
    lines: list[Line],
    images: Sequence[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None,
    classifier: OrientationNet | None,
) -> None:
    """Crops and reads the lines; with a classifier, doubtful ones are tried upside down."""
    read_once(lines, images, net, settings, pool)
    if classifier is None:
        return
    doubtful = [x for x in lines if x.confidence < DOUBTFUL]
    crops = [crop_seen(x, images) for x in doubtful]
    turned = turned_probability(crops, classifier)
    pairs = [(x, _turned(x)) for x, p in zip(doubtful, turned, strict=True) if p > 0.5]
    if net.draft is not None:
        # Most of them are no clearer upside down, and a draft tells.
        read_once([y for _, y in pairs], images, net.draft, settings, pool)
        pairs = [(x, y) for x, y in pairs if y.confidence > x.confidence + CLEARLY_BETTER]
    read_once([y for _, y in pairs], images, net, settings, pool)
    for line, other in pairs:
        if other.confidence > line.confidence + CLEARLY_BETTER:
            line.box, line.words = other.box, other.words
            line.crop, line.reading = other.crop, other.reading


def read_once(
    lines: list[Line],
    images: Sequence[np.ndarray],
    net: RecognizerNet,
    settings: RecognitionSettings,
    pool: ThreadPoolExecutor | None = None,
) -> None:
    """Crops and reads the lines as they lie."""
    crops = crop_lines(lines, images, MOST_COLUMNS, pool)
    pages = [line.page for line in lines]
    readings = read_by_words(crops, pages, net, settings, pool)
    for line, crop, reading in zip(lines, crops, readings, strict=True):
        line.crop, line.reading = crop, reading


def crop_lines(
    lines: Sequence[Line],
    images: Sequence[np.ndarray],
    max_width: int,
    pool: ThreadPoolExecutor | None = None,
) -> list[np.ndarray]:
    """See `crop_line`; side by side in a pool, if given."""

    def crop(first: int) -> list[np.ndarray]:
        some = lines[first : first + LINES_A_TASK]
        return [crop_line(line, images, max_width) for line in some]

    starts = range(0, len(lines), LINES_A_TASK)
    return list(chain.from_iterable(pool.map(crop, starts) if pool else map(crop, starts)))


def crop_line(line: Line, images: Sequence[np.ndarray], max_width: int) -> np.ndarray:
    """A line cut out of its page and upright, uint8 [LINE_HEIGHT, w, 3]."""
    return crop_box(images[line.page], line.box, LINE_HEIGHT, line_width(line.box, max_width))


def crop_seen(line: Line, images: Sequence[np.ndarray]) -> np.ndarray:
    """What the classifier sees of a line: its middle, uint8 [LINE_HEIGHT, w, 3]."""
    box = line.box.copy()
    box[3] = min(box[3], SEEN_ASPECT * box[4])
    return crop_line(Line(line.page, box), images, WIDTH)
