"""Several sources of crops as one."""

from collections.abc import Sequence

import numpy as np

from deepocr_jax.types import CropSource, ImageArray, IntArray


class MixedSource:
    """A dataset's crops, each as often as asked for, and made ones; a `CropSource`.

    The dataset's samples keep their ids; made ones have negative ids from -2 on, since they are no
    images that anyone could look up.
    """

    def __init__(self, dataset: CropSource, made: CropSource, repeats: int = 1) -> None:
        """Copies nothing.

        Args:
            dataset: The dataset's crops.
            made: Synthetic crops.
            repeats: How often each crop of the dataset occurs.
        """
        self._dataset, self._made = dataset, made
        self._own = len(dataset) * repeats
        self._widths = np.concatenate([np.tile(dataset.widths, repeats), made.widths])
        self._ids = [*[*dataset.ids] * repeats, *range(-2, -2 - len(made), -1)]

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels."""
        return self._widths

    @property
    def ids(self) -> Sequence[int]:
        """[n] image_id of each crop."""
        return self._ids

    def crop(self, index: int) -> ImageArray:
        """One crop, uint8 [48, widths[index], 3]."""
        source, place = self._find(index)
        return source.crop(place)

    def word(self, index: int) -> str:
        """The text of one crop."""
        source, place = self._find(index)
        return source.word(place)

    def _find(self, index: int) -> tuple[CropSource, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"Expected an index in 0..{len(self) - 1}, got {index}.")
        if index < self._own:
            return self._dataset, index % len(self._dataset)
        return self._made, index - self._own
