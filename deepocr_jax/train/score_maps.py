"""The part of a detector by score maps in training: pages -> losses."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from deepocr_jax.losses.score_maps import ScoreMapLossOptions, score_map_losses
from deepocr_jax.models.score_maps import ScoreMapDetector, ScoreMapSpec
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.train.pages import LABELLED, MakePages, make_page_losses
from deepocr_jax.train.parameters import Tree
from deepocr_jax.train.score_map_targets import Pages, TargetOptions, make_targets
from deepocr_jax.train.step import Losses, LossFunction


@dataclass(frozen=True)
class ScoreMapOptions:
    """How a detector by score maps is trained.

    Attributes:
        targets: Shapes of what it should give.
        losses: How pixels count.
        precision: Compute type, "float32" or "bfloat16".
        weak_weight: How much the pixels of text count on pages whose cells are only the equal
            parts of their words' boxes.
        labelled_weight: Of the losses of labelled pages.
    """

    targets: TargetOptions = TargetOptions()
    losses: ScoreMapLossOptions = ScoreMapLossOptions()
    precision: str = "float32"
    weak_weight: float = 0.3
    labelled_weight: float = 1.0


def make_score_map_losses(
    spec: ScoreMapSpec,
    preprocess: Preprocess,
    options: ScoreMapOptions,
    make_pages: MakePages | None = None,
) -> dict[str, LossFunction]:
    """The losses of a detector on pages; see `make_page_losses`."""
    network: Any = ScoreMapDetector(spec, jnp.dtype(options.precision))

    def page_loss(params: Tree, pages: Pages, weak: jax.Array, role: str) -> Losses:
        targets = make_targets(pages, options.targets)
        interior = targets.maps[..., :2].max(axis=-1) >= options.losses.positive_score
        factor = jnp.where(interior & (weak > 0)[:, None, None], options.weak_weight, 1.0)
        raw = network.apply({"params": params}, normalize(pages.images, preprocess))
        found = score_map_losses(raw, targets.maps, targets.mask * factor, options.losses)
        parts = {f"{role}_{name}_loss": value for name, value in found._asdict().items()}
        weight = options.labelled_weight if role == LABELLED else 1.0
        return Losses(weight * found.total(options.losses), parts, {})

    return make_page_losses(page_loss, make_pages)
