"""What stands on synthetic pages, in the form of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepocr_jax.geometry.character_cells import boxes_of_words
from deepocr_jax.synth.pages.atlas import CHARACTERS
from deepocr_jax.synth.pages.types import Pages

CLASS_NAMES = ("word", "ignore")
"""Classes of the boxes by their ids: words, and those with a character that cannot be seen."""


def label_pages(pages: Pages, characters: Sequence[str] = CHARACTERS) -> list[dict[str, Any]]:
    """Pages -> the labels of each, as the samples of a DLDataset of whole images have them.

    Args:
        pages: n pages; the arrays may be on a device.
        characters: Those of the atlas.

    Returns:
        n samples with `bbox_label_id`, `bbox_row`, `bbox_col`, `bbox_phi`, `bbox_length1`,
        `bbox_length2`, a number for each word in pixels and radians, and `label_custom_data` with
        its `text`; without image and id.
    """
    quads, words, codes, visible = (np.asarray(x) for x in pages[1:])
    alphabet = np.array(list(characters))
    samples = []
    for page in range(len(words)):
        boxes, whole = boxes_of_words(quads[page], words[page], visible[page])
        numbers = np.unique(words[page][words[page] >= 0])
        texts = ["".join(alphabet[codes[page][words[page] == n]]) for n in numbers]
        row, col, phi, length1, length2 = np.round(boxes, 4).T.tolist()
        samples.append(
            {
                "bbox_label_id": np.where(whole, 0, 1).tolist(),
                "bbox_row": row,
                "bbox_col": col,
                "bbox_phi": phi,
                "bbox_length1": length1,
                "bbox_length2": length2,
                "label_custom_data": [{"text": text} for text in texts],
            }
        )
    return samples
