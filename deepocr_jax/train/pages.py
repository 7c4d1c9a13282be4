"""Pages as parts of a training step: made on the device, or labelled ones from the host.

Synthetic pages are made inside the step, from its random key: the host only counts. Labelled pages
come from the host like any other batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.score_map_targets import Pages
from deepocr_jax.train.step import Losses, LossFunction

SYNTHETIC, LABELLED = "synthetic", "labelled"
ASSETS = "assets"

# (assets, key, step) -> pages
MakePages = Callable[[Tree, jax.Array, jax.Array], Pages]
# (parameters, pages, weak [n], role) -> losses; `weak` is 1 where cells are equal parts of boxes.
PageLoss = Callable[[Tree, Pages, jax.Array, str], Losses]


@dataclass(frozen=True)
class PageSource:
    """Pages that are made on the device.

    Attributes:
        make: (assets, key, step) -> `rows` pages; pure, and called inside jit.
        assets: What `make` needs, nested dictionaries of arrays: put onto the device once.
        rows: Pages a call; with several devices, on each of them.
        fingerprint: Of all that decides on the pages.
    """

    make: MakePages = field(repr=False)
    assets: Tree = field(repr=False)
    rows: int
    fingerprint: str


class LabelledPages(NamedTuple):
    """The arrays of a batch that are pages; see `Pages`."""

    images: jax.Array
    quads: jax.Array
    words: jax.Array
    visible: jax.Array


def make_page_losses(
    page_loss: PageLoss, make_pages: MakePages | None = None
) -> dict[str, LossFunction]:
    """The losses of batches, `SYNTHETIC` and `LABELLED`, from that of pages.

    A synthetic batch has `step` int32 [n], `mask` [n] and `row` [n], see `count_steps`; the pages
    come from `make_pages`, with the subtree `ASSETS` of the parameters that stay. A labelled batch
    has `images`, `quads`, `words`, `visible` as `Pages` has them, `weak` [n] 1 where cells are
    equal parts of words' boxes (else 0), `mask` and `row`.
    """

    def synthetic_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        if make_pages is None:
            raise ParameterValueError("synthetic pages need a source; give make_pages")
        params = join_parameters(trained, kept)
        assets = params.pop(ASSETS, {})
        pages = pages_of_batch(make_pages, assets, device_key(key, batch), batch)
        return page_loss(params, pages, jnp.zeros(len(batch["mask"])), SYNTHETIC)

    def labelled_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        params = join_parameters(trained, kept)
        params.pop(ASSETS, None)
        pages = LabelledPages(*(batch[name] for name in LabelledPages._fields))
        return page_loss(params, pages, batch["weak"], LABELLED)

    return {SYNTHETIC: synthetic_loss, LABELLED: labelled_loss}


def device_key(key: jax.Array, batch: dict[str, jax.Array]) -> jax.Array:
    """A step's key -> that of this device, which its first row's number tells apart."""
    return jax.random.fold_in(key, batch["row"][0])


def pages_of_batch(
    make_pages: MakePages, assets: Tree, key: jax.Array, batch: dict[str, jax.Array]
) -> Pages:
    """The pages of a synthetic batch.

    Raises:
        ParameterValueError: They are not as many as the batch has rows.
    """
    pages, rows = make_pages(assets, key, batch["step"][0]), len(batch["mask"])
    if len(pages.images) != rows:
        raise ParameterValueError(
            f"expected {rows} pages from the source on each device, got {len(pages.images)}; "
            "rows of a PageSource must be what its make gives"
        )
    return pages


def count_steps(rows: int, start: int, stop: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches of pages that are made on the device: what the host knows of them is the step."""
    for step in range(start, stop):
        yield {
            "step": np.full(rows, step, np.int32),
            "mask": np.ones(rows, np.float32),
            "image_id": np.arange(step * rows, (step + 1) * rows),
        }
