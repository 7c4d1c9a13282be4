"""Many images, few in memory: decoding, detection and recognition overlap."""

import functools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from deepocr_jax.dl.model import box_keys, char_candidates, word_keys
from deepocr_jax.errors import ImageError
from deepocr_jax.geometry.boxes import scale_boxes
from deepocr_jax.image import as_rgb, read_image
from deepocr_jax.image_pages import ImagePage
from deepocr_jax.infer.pipeline import CropReading, Page, read_packs, read_word_packs
from deepocr_jax.infer.stages import Ahead, in_packs
from deepocr_jax.pdf_pages import PdfPage
from deepocr_jax.reader.handle import DeepOCR, State, page_settings, resolve_mode
from deepocr_jax.reader.memory import give_back_free_memory
from deepocr_jax.reader.results import ShownResult
from deepocr_jax.types import DeepOCRResult

ImageSource = np.ndarray | str | os.PathLike[str] | bytes | ImagePage | PdfPage

# Images whose crops are packed together: enough to fill the groups, few enough for the memory.
# The groups of accelerators are large: with forms, packs of 8 pages would leave 73 % of their
# columns empty, 64 pages leave 25 %. On a CPU 8 and 16 leave 13 and 12 % with forms, 42 and 37 %
# with pictures of scenes.
PAGES_PER_PACK, ACCELERATOR_PAGES_PER_PACK, WORDS_PER_PACK = 16, 64, 1024
PIXELS_PER_PACK = 2**26
# So long a pack waits for more images where nothing else is being read: a camera's come one by one.
WAIT_S = 0.2
# After so many packs free memory is given back: it costs less than 1 % of the time then.
PACKS_PER_GIVING_BACK = 4


@dataclass(frozen=True)
class StreamResult:
    """What became of one image of a stream.

    Attributes:
        index: Its place in the stream, from 0.
        source: As it came: path, bytes, array or page.
        result: What was read; None where the image cannot be used.
        error: Why it cannot; else None.
        image_size: (height, width) in pixels; (0, 0) where the image cannot be used.
    """

    index: int
    source: Any
    result: DeepOCRResult | None
    error: ImageError | None
    image_size: tuple[int, int]


@dataclass(frozen=True)
class _Loaded:
    """An image's place, source and pixels, or what is wrong with it."""

    index: int
    source: Any
    image: np.ndarray | ImageError

    @property
    def pixels(self) -> int:
        return 0 if isinstance(self.image, ImageError) else self.image.size // 3


def read_stream(
    source: Iterable[ImageSource], handle: DeepOCR, mode: str = "auto"
) -> Iterator[StreamResult]:
    """Finds and reads the words of any number of images, and gives the results in their order.

    Takes some dozens of images (on an accelerator some hundreds, in mode "recognition" some
    thousands) further than what it has given, and not more; so a stream may be endless, and memory
    stays flat. A result comes as soon as its image is read: images that come slowly, as a camera's,
    are not waited for. A thread of its own takes them from `source`.

    Args:
        source: Images as `apply_deep_ocr` takes them: arrays, paths, the bytes of image files, or
            pages of `read_pages`.
        handle: With the components that the mode needs; changes to it are for later streams.
        mode: As of `apply_deep_ocr`.

    Yields:
        One result an image. An image that cannot be used has its error in place of a result, and
        the others go on. An error of `source` itself comes after the results of what it gave.

    Raises:
        ModeError: The handle lacks a component that the mode needs.
    """
    state = handle.state
    return _stream(source, state, resolve_mode(state, mode))


def _stream(source: Iterable[Any], state: State, mode: str) -> Iterator[StreamResult]:
    workers = os.cpu_count() or 1
    load = functools.partial(_load, max_pixels=state.parameters.image_max_pixels)
    most = _images_per_pack(state, mode)
    with ThreadPoolExecutor(workers, thread_name_prefix="deepocr") as pool:
        pending: deque[list[_Loaded]] = deque()
        loaded = Ahead(load, enumerate(source), pool, workers)
        packs = in_packs(
            loaded, lambda x: x.pixels, most, PIXELS_PER_PACK, WAIT_S, lambda: not pending
        )
        try:
            read = _read(_images_of(packs, pending), state, mode, pool)
            for number, found in enumerate(read, 1):
                rest = iter(found)
                for item in pending.popleft():
                    if isinstance(item.image, ImageError):
                        yield StreamResult(item.index, item.source, None, item.image, (0, 0))
                    else:
                        size = item.image.shape[:2]
                        yield StreamResult(item.index, item.source, next(rest), None, size)
                if number % PACKS_PER_GIVING_BACK == 0:
                    give_back_free_memory()
        finally:
            loaded.close()


def _images_per_pack(state: State, mode: str) -> int:
    net = state.nets.detector
    if mode == "recognition" or net is None:
        return WORDS_PER_PACK
    return PAGES_PER_PACK if net.platform == "cpu" else ACCELERATOR_PAGES_PER_PACK


def _load(numbered: tuple[int, Any], max_pixels: int) -> _Loaded:
    index, source = numbered
    try:
        if isinstance(source, (str, bytes, os.PathLike)):
            return _Loaded(index, source, read_image(source, max_pixels))
        return _Loaded(index, source, as_rgb(source, max_pixels))
    except ImageError as error:
        return _Loaded(index, source, error)


def _images_of(
    packs: Iterable[list[_Loaded]], pending: deque[list[_Loaded]]
) -> Iterator[list[np.ndarray]]:
    """The images of each pack, which is put into `pending` once its images have been asked for."""
    for pack in packs:
        pending.append(pack)
        yield [x.image for x in pack if not isinstance(x.image, ImageError)]


def _read(
    packs: Iterator[Sequence[np.ndarray]], state: State, mode: str, pool: ThreadPoolExecutor
) -> Iterator[list[DeepOCRResult]]:
    settings = page_settings(state.parameters)
    if mode == "recognition":
        assert state.nets.recognizer is not None
        words = read_word_packs(packs, state.nets.recognizer, settings.recognition, pool)
        return ([_crop_result(x) for x in pack] for pack in words)
    nets = state.nets if mode == "auto" else replace(state.nets, recognizer=None)
    pages = read_packs(packs, nets, settings, pool)
    return ([_page_result(x, mode == "auto") for x in pack] for pack in pages)


def _crop_result(crop: CropReading) -> DeepOCRResult:
    return _shown({"image": crop.image, **word_keys(crop.reading)})


def _page_result(page: Page, read: bool) -> DeepOCRResult:
    boxes = np.array([w.box for w in page.words], np.float64).reshape(-1, 5)
    detection = page.detection
    on_canvas = scale_boxes(boxes, detection.row_factor, detection.col_factor)
    on_maps = scale_boxes(on_canvas, detection.map_factor, detection.map_factor)
    words: dict[str, Any] = {
        **box_keys(boxes),
        "line_index": np.array(page.line_index, np.int64),
    }
    if read:
        words["word"] = [w.text for w in page.words]
        words["char_candidates"] = [
            char_candidates(w.candidates, w.confidences) for w in page.words
        ]
        words["word_image"] = [w.image for w in page.words]
        words["confidence"] = np.array([w.confidence for w in page.words], np.float64)
    found = {
        "image": detection.canvas,
        "score_maps": detection.score_maps,
        "words": words,
        "word_boxes_on_image": box_keys(on_canvas),
        "word_boxes_on_score_maps": box_keys(on_maps),
    }
    return _shown(found)


def _shown(found: dict[str, Any]) -> DeepOCRResult:
    return cast(DeepOCRResult, ShownResult(found))
