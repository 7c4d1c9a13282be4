"""The training of a look at pages: where text is, and along which axis it reads.

Pages are made upright, looked at from any side, and shown at half their size or about it, so that
letters are as small as they are when a whole image is looked at.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.models.registry import (
    TEXT_AXES_KIND,
    make_model,
    spec_from_dict,
)
from deepocr_jax.models.score_maps import STRIDE as TARGET_STRIDE
from deepocr_jax.models.text_axes import (
    STRIDE,
    TextAxesSpec,
    text_axes_spec,
)
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.synth.pages.views import View, look
from deepocr_jax.train.fresh_heads import give_fresh_head
from deepocr_jax.train.page_task import PageLearner
from deepocr_jax.train.pages import ASSETS, SYNTHETIC, MakePages, device_key, pages_of_batch
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.score_map_targets import Pages, make_targets
from deepocr_jax.train.step import Losses, LossFunction
from deepocr_jax.train.turning import TurningOptions, draw_turn

# Between the middles of characters and words the scores are low; there is text all the same.
_SURENESS = 2.0
# The loss of a page is told by its share of text, that of pages with little by this share.
_LEAST_TEXT = 0.02


@dataclass(frozen=True)
class TextAxesOptions:
    """How the network is trained.

    Attributes:
        turning: How the halved pages are turned.
        looks_per_page: How often each is looked at, which costs less than to make another one.
        background_weight: Of a pixel without text beside one with it.
        precision: Compute type, "float32" or "bfloat16".
    """

    turning: TurningOptions = TurningOptions(
        upright_share=0.15, quarter_share=0.25, least_scale=0.7, most_scale=1.5
    )
    looks_per_page: int = 2
    background_weight: float = 0.3
    precision: str = "float32"


class Looks(NamedTuple):
    """Pages as they are looked at.

    Attributes:
        images: uint8 [n, h, w, 3].
        vectors: [n, h / 4, w / 4, 2] as `models.text_axes` has them.
        mask: [n, h / 4, w / 4] 1 where they are known, 0 where text is that is not to be learned.
    """

    images: jax.Array
    vectors: jax.Array
    mask: jax.Array


def take_looks(key: jax.Array, pages: Pages, options: TextAxesOptions) -> Looks:
    """Pages at half their size, turned and scaled at random; their sides are multiples of 64.

    A page's looks follow each other.
    """
    targets = make_targets(pages)
    sureness = jnp.minimum(_SURENESS * targets.maps[..., :2].max(axis=-1), 1.0)
    sin, cos = targets.maps[..., 2], targets.maps[..., 3]
    halved = _shrunk(pages.images.astype(jnp.float32) / 255, TARGET_STRIDE)
    doubled = jnp.stack([cos * cos - sin * sin, 2 * sin * cos], axis=-1)
    parts = [halved, sureness[..., None] * doubled, targets.mask[..., None]]
    sheets = jnp.moveaxis(jnp.concatenate(parts, axis=-1), -1, 1)
    sheets = jnp.repeat(sheets, options.looks_per_page, axis=0)

    def turn(page_key: jax.Array, sheet: jax.Array) -> jax.Array:
        view_key, colour_key = jax.random.split(page_key)
        colour = jnp.repeat(jax.random.uniform(colour_key), 3)
        beyond = jnp.append(colour, jnp.array([0.0, 0.0, 1.0]))[:, None, None]
        view = draw_turn(view_key, (sheet.shape[1], sheet.shape[2]), options.turning)
        seen = look(view, sheet, beyond)
        return seen.at[3:5].set(_turned(seen[3:5], view))

    seen = jax.vmap(turn)(jax.random.split(key, len(sheets)), sheets)
    seen = jnp.moveaxis(seen, 1, -1)
    known = _shrunk(seen[..., 3:], STRIDE)
    images = jnp.round(seen[..., :3] * 255).astype(jnp.uint8)
    return Looks(images, known[..., :2], known[..., 2])


def _turned(vectors: jax.Array, view: View) -> jax.Array:
    """Vectors [2, h, w] of a page, as its turned picture has them."""
    angle = -2 * jnp.arctan2(view.homography[0, 1], view.homography[0, 0])
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * vectors[0] - sin * vectors[1], sin * vectors[0] + cos * vectors[1]])


def _shrunk(x: jax.Array, factor: int) -> jax.Array:
    """[n, h, w, c] -> [n, h / factor, w / factor, c], by means."""
    n, h, w, c = x.shape
    return x.reshape(n, h // factor, factor, w // factor, factor, c).mean(axis=(2, 4))


def begin_text_axes(detector: ModelCheckpoint, seed: int = 0) -> ModelCheckpoint:
    """The network with a detector's backbone and neck, and a fresh head.

    Args:
        detector: Of kind "ocr_detection".
        seed: Of the fresh head.
    """
    spec = text_axes_spec(spec_from_dict(detector.kind, detector.spec))
    return give_fresh_head(detector, TEXT_AXES_KIND, spec, "text axes", seed)


def text_axes_learner(model: ModelCheckpoint, options: TextAxesOptions) -> PageLearner:
    """What `make_page_task` needs.

    Args:
        model: Where training begins, see `begin_text_axes`.
        options: Of the pages and the loss.
    """
    spec: TextAxesSpec = spec_from_dict(model.kind, model.spec)

    def make_losses(make_pages: MakePages | None) -> dict[str, LossFunction]:
        if make_pages is None:
            raise ParameterValueError("text axes are learned from pages of a source; give one")
        return {SYNTHETIC: _looking_loss(spec, model.preprocess, options, make_pages)}

    return PageLearner(
        model=model,
        params=model.variables["params"],
        make_losses=make_losses,
        trained_on="text axes",
        options=asdict(options),
    )


def _looking_loss(
    spec: TextAxesSpec, preprocess: Preprocess, options: TextAxesOptions, make_pages: MakePages
) -> LossFunction:
    network: Any = make_model(TEXT_AXES_KIND, spec, jnp.dtype(options.precision))

    def loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        params = join_parameters(trained, kept)
        assets = params.pop(ASSETS)
        pages_key, looks_key = jax.random.split(device_key(key, batch))
        pages = pages_of_batch(make_pages, assets, pages_key, batch)
        looks = take_looks(looks_key, pages, options)
        found = network.apply({"params": params}, normalize(looks.images, preprocess))
        values = axes_loss(found, looks, options.background_weight)
        return Losses(values.reshape(-1, options.looks_per_page).mean(axis=1), {}, {})

    return loss


def axes_loss(found: jax.Array, looks: Looks, background_weight: float) -> jax.Array:
    """Squared distance of vectors [n, h, w, 2] from the wanted ones, as a share of the text: [n].

    Nothing found costs 1, whatever the page, but for pages with hardly any text.
    """
    text = jnp.sum(looks.vectors**2, axis=-1)
    weights = looks.mask * jnp.maximum(jnp.sqrt(text), background_weight)
    away = jnp.sum((found - looks.vectors) ** 2, axis=-1)
    wanted = jnp.mean(weights * text, axis=(1, 2))
    return jnp.mean(weights * away, axis=(1, 2)) / jnp.maximum(wanted, _LEAST_TEXT)
