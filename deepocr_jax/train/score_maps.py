"""The part of a detector by score maps in training: pages -> losses.

Pages are made on the device, inside the step, from its random key: the host only counts. Labelled
pages come from the host like any other batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.losses.score_maps import ScoreMapLossOptions, score_map_losses
from deepocr_jax.models.score_maps import ScoreMapDetector, ScoreMapSpec
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.score_map_targets import Pages, TargetOptions, make_targets
from deepocr_jax.train.step import Losses, LossFunction

SYNTHETIC, LABELLED = "synthetic", "labelled"
ASSETS = "assets"


@dataclass(frozen=True)
class PageSource:
    """Pages that are made on the device.

    Attributes:
        make: (assets, key, step) -> `rows` pages; pure, and called inside jit.
        assets: What `make` needs, nested dictionaries of arrays: put onto the device once.
        rows: Pages a call; with several devices, on each of them.
        fingerprint: Of all that decides on the pages.
    """

    make: Callable[[Tree, jax.Array, jax.Array], Pages] = field(repr=False)
    assets: Tree = field(repr=False)
    rows: int
    fingerprint: str


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


class LabelledPages(NamedTuple):
    """The arrays of a batch that are pages; see `Pages`."""

    images: jax.Array
    quads: jax.Array
    words: jax.Array
    visible: jax.Array


def make_score_map_losses(
    spec: ScoreMapSpec,
    preprocess: Preprocess,
    options: ScoreMapOptions,
    make_pages: Callable[[Tree, jax.Array, jax.Array], Pages] | None = None,
) -> dict[str, LossFunction]:
    """The losses of a detector, `SYNTHETIC` and `LABELLED`.

    A synthetic batch has `step` int32 [n], `mask` [n] and `row` [n], see `count_steps`; the pages
    come from `make_pages`, with the subtree `ASSETS` of the parameters that stay. A labelled batch
    has `images`, `quads`, `words`, `visible` as `Pages` has them, `weak` [n] 1 where cells are
    equal parts of words' boxes (else 0), `mask` and `row`.
    """
    network: Any = ScoreMapDetector(spec, jnp.dtype(options.precision))

    def losses(params: Tree, pages: Pages, weak: jax.Array, role: str, weight: float) -> Losses:
        targets = make_targets(pages, options.targets)
        interior = targets.maps[..., :2].max(axis=-1) >= options.losses.positive_score
        factor = jnp.where(interior & (weak > 0)[:, None, None], options.weak_weight, 1.0)
        raw = network.apply({"params": params}, normalize(pages.images, preprocess))
        found = score_map_losses(raw, targets.maps, targets.mask * factor, options.losses)
        parts = {f"{role}_{name}_loss": value for name, value in found._asdict().items()}
        return Losses(weight * found.total(options.losses), parts, {})

    def synthetic_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        if make_pages is None:
            raise ParameterValueError("synthetic pages need a source; give make_pages")
        params = join_parameters(trained, kept)
        assets = params.pop(ASSETS, {})
        # The first row's number tells the devices apart.
        pages = make_pages(assets, jax.random.fold_in(key, batch["row"][0]), batch["step"][0])
        rows = len(batch["mask"])
        if len(pages.images) != rows:
            raise ParameterValueError(
                f"expected {rows} pages from the source on each device, got {len(pages.images)}; "
                "rows of a PageSource must be what its make gives"
            )
        return losses(params, pages, jnp.zeros(rows), SYNTHETIC, 1.0)

    def labelled_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        params = join_parameters(trained, kept)
        params.pop(ASSETS, None)
        pages = LabelledPages(*(batch[name] for name in LabelledPages._fields))
        return losses(params, pages, batch["weak"], LABELLED, options.labelled_weight)

    return {SYNTHETIC: synthetic_loss, LABELLED: labelled_loss}


def count_steps(rows: int, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches of pages that are made on the device: what the host knows of them is the step."""
    for step in range(start, stop):
        yield {
            "step": np.full(rows, step, np.int32),
            "mask": np.ones(rows, np.float32),
            "image_id": np.arange(step * rows, (step + 1) * rows),
        }
