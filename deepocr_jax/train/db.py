"""The part of a detector by differentiable binarization in training: pages -> losses."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from deepocr_jax.losses.db import DBLossOptions, db_losses
from deepocr_jax.models.detector import DBTrainingNetwork, DetectorSpec
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.train.db_targets import DBTargetOptions, make_db_targets
from deepocr_jax.train.pages import LABELLED, MakePages, make_page_losses
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.score_map_targets import Pages
from deepocr_jax.train.step import Losses, LossFunction


@dataclass(frozen=True)
class DBOptions:
    """How a detector by differentiable binarization is trained.

    Attributes:
        targets: Shapes of what it should give.
        losses: How pixels and maps count.
        precision: Compute type, "float32" or "bfloat16".
        labelled_weight: Of the losses of labelled pages.
    """

    targets: DBTargetOptions = DBTargetOptions()
    losses: DBLossOptions = DBLossOptions()
    precision: str = "float32"
    labelled_weight: float = 1.0


def make_db_losses(
    spec: DetectorSpec,
    preprocess: Preprocess,
    options: DBOptions,
    make_pages: MakePages | None = None,
) -> dict[str, LossFunction]:
    """The losses of a detector on pages; see `make_page_losses`."""
    network: Any = DBTrainingNetwork(spec, jnp.dtype(options.precision))

    def page_loss(params: Tree, pages: Pages, weak: jax.Array, role: str) -> Losses:
        targets = make_db_targets(pages, options.targets)
        text, threshold = network.apply({"params": params}, normalize(pages.images, preprocess))
        found = db_losses(text, threshold, targets, options.losses)
        parts = {f"{role}_{name}_loss": value for name, value in found._asdict().items()}
        weight = options.labelled_weight if role == LABELLED else 1.0
        return Losses(weight * found.total(options.losses), parts, {})

    return make_page_losses(page_loss, make_pages)
