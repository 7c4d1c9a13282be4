"""A detector's scores, shifted so that the reader's thresholds fit them.

What a detector learns of few pages changes how sure it is, and with that how large its regions are.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.dl.evaluation import evaluate_dl_model
from deepocr_jax.dl.model import DLModel
from deepocr_jax.types import DLDataset

# The least first.
SHIFTS = (0.0, 0.3, -0.3, 0.6, -0.6, 0.9, 1.2, 1.5)
# The least shift is taken that is so near to the best: as regions grow, words grow together, which
# is worse for reading than for the boxes alone (measured on FUNSD's forms).
NEARLY = 0.01
OVERLAP = 0.5
BIAS = "out_bias"


def calibrate(model: ModelCheckpoint, dataset: DLDataset, pages: int) -> ModelCheckpoint:
    """A detector with that of `SHIFTS` by which it finds the words of pages it learned from.

    Args:
        model: A detector.
        dataset: With a split "train".
        pages: So many pages of that are searched, once a shift.

    Returns:
        The detector, its score's logit shifted; by 0 if no other is better.
    """
    samples = [s for s in dataset["samples"] if s.get("split") == "train"][:pages]
    some: DLDataset = {**dataset, "samples": samples}
    scores = [_f_score(shifted(model, shift), some) for shift in SHIFTS]
    best = max(scores)
    return shifted(
        model, next(x for x, s in zip(SHIFTS, scores, strict=True) if s >= best - NEARLY)
    )


def shifted(model: ModelCheckpoint, shift: float) -> ModelCheckpoint:
    """A detector whose first map, the score of text or characters, has its logit shifted."""

    def add(path: Any, value: Any) -> Any:
        if path[-1].key != BIAS:
            return value
        bias = np.array(value, np.float32)
        bias[..., :1] += shift
        return bias

    variables: Mapping[str, Any] = jax.tree_util.tree_map_with_path(add, model.variables)
    return replace(model, variables=variables)


def _f_score(model: ModelCheckpoint, dataset: DLDataset) -> float:
    found = evaluate_dl_model(dataset, DLModel(model), "split", "train", iou_threshold=(OVERLAP,))
    return found["thresholds"][0]["f_score"] or 0.0
