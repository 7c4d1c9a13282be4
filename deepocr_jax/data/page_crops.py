"""Parts of labelled pages, scaled, turned and toned by chance, with their characters' cells."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np

from deepocr_jax.data.classes import IGNORE, NOT_TO_BE_READ
from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_detection
from deepocr_jax.data.sample_images import image_path
from deepocr_jax.errors import DatasetError, ParameterValueError
from deepocr_jax.geometry.character_cells import split_box
from deepocr_jax.image import read_image
from deepocr_jax.types import DLDataset

BOX_KEYS = ("row", "col", "phi", "length1", "length2")
GRAY = (127, 127, 127)
_PAGES_KEPT = 256
_WORKERS = 2


@dataclass(frozen=True)
class PageCropOptions:
    """How parts of pages are taken.

    Attributes:
        side: Of a part, in pixels; a multiple of 32.
        page_side: The longer side of a page, scaled as for reading.
        scale_variation: Largest further factor of the scale, less one; as often its inverse.
        rotate_range: Largest rotation in degrees.
        brightness_variation: Largest change of the brightness, as a share of the full range.
        contrast_variation: Largest factor by which the contrast changes, less one.
        characters: Room for those of a part.
        saturation_variation: Largest change of the saturation, in [0, 1].
        augmentation_percentage: Share of the parts that are changed; the others are at the scale
            for reading, upright, in their own colours.
    """

    side: int = 512
    page_side: int = 1024
    scale_variation: float = 0.4
    rotate_range: float = 8.0
    brightness_variation: float = 0.15
    contrast_variation: float = 0.3
    characters: int = 2048
    saturation_variation: float = 0.0
    augmentation_percentage: float = 100.0


class PageCrops:
    """Endless parts of the pages of a detection dataset's split.

    Part i of an epoch is a function of the seed, the epoch and i alone; an epoch takes each page
    once. Characters have no cells of their own in such datasets: they get equal parts of the boxes
    of their words, or a whole box is one cell.
    """

    def __init__(
        self,
        dataset: DLDataset,
        split: str | None,
        options: PageCropOptions,
        seed: int = 0,
        by_character: bool = True,
    ) -> None:
        """Reads nothing but the dataset's dictionary yet.

        Args:
            dataset: A detection dataset: whole images with rotated boxes.
            split: Of the samples that are taken; None: all of them.
            options: How parts are taken.
            seed: Of everything random.
            by_character: Whether boxes are cut into the cells of their characters, which takes
                texts; else a box is a cell, whatever stands in it.

        Raises:
            DatasetError: No sample has the split, or one lacks boxes, or texts that are needed.
            ParameterValueError: A side that the network does not take.
        """
        if options.side % 32 or options.side < 32:
            raise ParameterValueError(f"side: expected a multiple of 32, got {options.side!r}")
        dataset, _ = read_dl_dataset_ocr_detection(dataset)
        self._dataset = cast(Mapping[str, Any], dataset)
        samples = self._dataset["samples"]
        self._samples = [s for s in samples if split is None or s.get("split") == split]
        if not self._samples:
            raise DatasetError(
                f"no sample has split == {split!r}; split_dl_dataset makes the splits"
            )
        for sample in self._samples:
            check_page(sample, by_character)
        self._by_character = by_character
        self._options, self._seed = options, seed
        self._page = lru_cache(maxsize=_PAGES_KEPT)(self._load)

    def __len__(self) -> int:
        """The number of pages."""
        return len(self._samples)

    @property
    def told(self) -> str:
        """All that decides on the parts, apart from the pixels."""
        ids = [s["image_id"] for s in self._samples]
        cells = () if self._by_character else ("boxes",)
        return repr([self._options, self._seed, ids, *cells])

    def batches(self, rows: int, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
        """Batches of steps: `images`, `quads`, `words`, `visible`, `weak`, `mask`, `image_id`.

        Args:
            rows: Parts a batch.
            start: First step.
            stop: Step after the last.
        """
        with ThreadPoolExecutor(_WORKERS) as pool:
            for step in range(start, stop):
                numbers = range(step * rows, (step + 1) * rows)
                parts = list(pool.map(self.part, numbers))
                batch = {k: np.stack([p[k] for p in parts]) for k in parts[0]}
                yield {
                    **batch,
                    "weak": np.ones(rows, np.float32),
                    "mask": np.ones(rows, np.float32),
                }

    def part(self, number: int) -> dict[str, np.ndarray]:
        """Part number `number`, counted over all epochs.

        Raises:
            DatasetError, ImageError: The page's image cannot be used.
        """
        epoch, place = divmod(number, len(self._samples))
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._samples))
        index = int(order[place])
        image, quads, words, visible = self._page(index)
        random = np.random.default_rng([self._seed, epoch, place, 1])
        options = self._options
        if options.augmentation_percentage < 100:
            chosen = 100 * random.uniform() < options.augmentation_percentage
            options = options if chosen else _unchanged(options)
        matrix = _view(random, image.shape, quads, options)
        side = options.side
        picture = cv2.warpAffine(
            image, matrix, (side, side), flags=cv2.INTER_AREA, borderValue=GRAY
        )
        # The image's pixel centres are at whole numbers, the corners' continuous coordinates not.
        seen = (quads - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
        cells = _cells(seen.astype(np.float32), words, visible, side, self._options.characters)
        image_id = np.asarray(self._samples[index]["image_id"])
        return {"images": tone(random, picture, options), **cells, "image_id": image_id}

    def _load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A page scaled as for reading; cells [k, 4, 2], words [k], visible [k]."""
        sample = self._samples[index]
        image = read_image(image_path(self._dataset, sample))
        scale = self._options.page_side / max(image.shape[:2])
        size = [max(1, round(s * scale)) for s in image.shape[1::-1]]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image, size, interpolation=way)
        quads, words, visible = page_cells(sample, self._by_character)
        factors = np.array([size[0] / image.shape[1], size[1] / image.shape[0]])
        return scaled, quads * factors, words, visible


def _unchanged(options: PageCropOptions) -> PageCropOptions:
    """The same parts without random changes."""
    names = [f.name for f in fields(options) if f.name.endswith(("_variation", "_range"))]
    return replace(options, **dict.fromkeys(names, 0.0))


def _view(
    random: np.random.Generator, shape: tuple[int, ...], quads: np.ndarray, o: PageCropOptions
) -> np.ndarray:
    """From the page to the part, both with pixel centres at whole numbers: [2, 3]."""
    scale = (1 + o.scale_variation) ** random.uniform(-1, 1)
    angle = np.deg2rad(random.uniform(-o.rotate_range, o.rotate_range))
    if len(quads):  # around some text, so that few parts are empty
        centre = quads[int(random.integers(len(quads)))].mean(axis=0)
    else:
        centre = random.uniform(0, 1, 2) * shape[1::-1]
    target = o.side * random.uniform(0.2, 0.8, 2)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([turn, target - 0.5 - turn @ (centre - 0.5)])


def tone(random: np.random.Generator, image: np.ndarray, o: PageCropOptions) -> np.ndarray:
    """An image with its saturation, contrast and brightness changed at random."""
    contrast = (1 + o.contrast_variation) ** random.uniform(-1, 1)
    shift = 255 * random.uniform(-o.brightness_variation, o.brightness_variation)
    colours = image.astype(np.float32)
    if o.saturation_variation:
        gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)[..., None]
        factor = 1 + random.uniform(-o.saturation_variation, o.saturation_variation)
        colours = gray + np.float32(factor) * (colours - gray)
    toned = (colours - 127.5) * np.float32(contrast) + np.float32(127.5 + shift)
    return np.clip(np.rint(toned), 0, 255).astype(np.uint8)


def check_page(sample: Mapping[str, Any], by_character: bool) -> None:
    """Raises `DatasetError` for a sample that `page_cells` cannot use."""
    name = f"sample {sample.get('image_id')!r}"
    if "bbox_row" not in sample or "bbox_label_id" not in sample:
        raise DatasetError(
            f"{name}: expected a whole image with rotated boxes (bbox_row, bbox_col, bbox_phi, "
            f"bbox_length1, bbox_length2), got {sorted(sample)}; read the dataset with "
            "read_dl_dataset_ocr_detection. Crops of words are for a recognition model."
        )
    texts = len(sample.get("label_custom_data", ()))
    if texts != len(sample["bbox_row"]) and (texts or by_character):
        raise DatasetError(
            f"{name}: expected a text for each box in label_custom_data; cells of characters are "
            "made from both. A detector of text regions learns from boxes alone."
        )


def page_cells(
    sample: Mapping[str, Any], by_character: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells of a labelled image.

    Args:
        sample: With the classes of `read_dl_dataset_ocr_detection`, see `check_page`.
        by_character: See `PageCrops`.

    Returns:
        Quads [k, 4, 2] with corners (x, y) in continuous coordinates, the number of each cell's
        word [k], and whether it is to be learned [k]: not of class `ignore`, and not "###".
    """
    boxes = np.stack([np.asarray(sample[f"bbox_{k}"], float) for k in BOX_KEYS], axis=1)
    texts = [str(x.get("text", "")).strip() for x in sample.get("label_custom_data", ())]
    texts = texts or [""] * len(boxes)
    quads, words = [np.zeros((0, 4, 2))], [np.zeros(0, int)]
    visible, count = [np.zeros(0, bool)], 0
    for box, text, label in zip(boxes, texts, sample["bbox_label_id"], strict=True):
        cells, numbers = split_box(box, (text if by_character else "") or "#")
        quads.append(cells)
        words.append(numbers + count)
        visible.append(np.full(len(cells), label != IGNORE and text != NOT_TO_BE_READ))
        count += 1 + int(numbers.max(initial=0))
    return np.concatenate(quads), np.concatenate(words), np.concatenate(visible)


def _cells(
    quads: np.ndarray, words: np.ndarray, visible: np.ndarray, side: int, room: int
) -> dict[str, np.ndarray]:
    """The cells that touch a part, padded to `room` of them; those that are cut are ignored."""
    low, high = quads.min(axis=1), quads.max(axis=1)
    touches = ((high > 0) & (low < side)).all(axis=1)
    whole = ((low > -1) & (high < side + 1)).all(axis=1)
    index = np.flatnonzero(touches)
    if len(index) > room:
        raise DatasetError(
            f"expected at most {room} characters in a part of {side} x {side} pixels, got "
            f"{len(index)}; take smaller parts, or make `characters` larger"
        )
    found = {
        "quads": np.zeros((room, 4, 2), np.float32),
        "words": np.full(room, -1, np.int32),
        "visible": np.zeros(room, bool),
    }
    found["quads"][: len(index)] = quads[index]
    found["words"][: len(index)] = words[index]
    found["visible"][: len(index)] = visible[index] & whole[index]
    return found
