"""A detector of text regions learns from itself to see turned text.

What it finds on an upright page, turned along with the page, is what it should find on the turned
page: no labels are needed, and what it knows of upright text stays the measure. The same goes for
pages that are spoilt. The teacher is the detector as it was when training began (knowledge
distillation, Hinton et al., arXiv 1503.02531; the student alone sees the harder page, Xie et al.,
arXiv 1911.04252).
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from deepocr_jax.augment.images import augment
from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.losses.score_maps import score_divergence
from deepocr_jax.models.detector import Detector
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.postprocess.db_regions import RegionParams
from deepocr_jax.preprocess import normalize
from deepocr_jax.synth.pages.views import View, look
from deepocr_jax.train.db_task import make_page_finder
from deepocr_jax.train.page_task import PageLearner
from deepocr_jax.train.pages import (
    ASSETS,
    SYNTHETIC,
    MakePages,
    PageSource,
    device_key,
    pages_of_batch,
)
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.step import Losses, LossFunction

TEACHER = "teacher"
# The loss of a page is told by its share of text, that of pages with little by this share.
_LEAST_TEXT = 0.05
SPOILT = AugmentOptions(
    augmentation_percentage=60.0,
    brightness_variation=0.2,
    contrast_variation=0.8,
    saturation_variation=0.5,
    blur=1.5,
    noise=12.0,
    compression=0.5,
)


@dataclass(frozen=True)
class TurningOptions:
    """How pages are turned and spoilt before the detector sees them; its teacher sees them whole.

    Attributes:
        upright_share: Of the pages that only lean a little.
        quarter_share: Of those that are turned by about 90, 180 or 270 degrees; the rest is turned
            by any angle.
        lean_deg: Standard deviation of the lean of both.
        least_scale: Smallest and
        most_scale: largest factor by which a page is scaled.
        augmentation: What else is done to them.
        precision: Compute type, "float32" or "bfloat16".
    """

    upright_share: float = 0.25
    quarter_share: float = 0.25
    lean_deg: float = 3.0
    least_scale: float = 0.6
    most_scale: float = 1.1
    augmentation: AugmentOptions = SPOILT
    precision: str = "float32"


def turning_source(source: PageSource, model: ModelCheckpoint) -> PageSource:
    """Upright pages, with the detector as it is as their teacher."""
    return replace(source, assets={**source.assets, TEACHER: model.variables["params"]})


def turning_learner(model: ModelCheckpoint, options: TurningOptions) -> PageLearner:
    """What `make_page_task` needs of a detector of regions that learns to see turned text.

    Args:
        model: Where training begins, of kind "ocr_detection".
        options: How pages are turned.

    Raises:
        ParameterValueError: A model of another type.
    """
    if model.kind != "ocr_detection":
        raise ParameterValueError(
            f"expected a detector of text regions (ocr_detection), got one of type {model.kind!r}"
        )
    network = Detector(spec_from_dict(model.kind, model.spec), jnp.dtype(options.precision))

    def make_losses(make_pages: MakePages | None) -> dict[str, LossFunction]:
        if make_pages is None:
            raise ParameterValueError("turned pages need a source; give one, see turning_source")
        return {SYNTHETIC: _turning_loss(network, model, options, make_pages)}

    return PageLearner(
        model=model,
        params=model.variables["params"],
        make_losses=make_losses,
        find=make_page_finder(model, RegionParams()),
        trained_on="turned pages",
        options=asdict(options),
    )


def _turning_loss(
    network: Any, model: ModelCheckpoint, options: TurningOptions, make_pages: MakePages
) -> LossFunction:
    def text_logits(params: Tree, images: jax.Array) -> jax.Array:
        x = normalize(images, model.preprocess)
        return network.apply({"params": params}, x, method="logits")

    def loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        params = join_parameters(trained, kept)
        assets = dict(params.pop(ASSETS))
        teacher = assets.pop(TEACHER)
        pages_key, views_key, spoiling_key = jax.random.split(device_key(key, batch), 3)
        images = pages_of_batch(make_pages, assets, pages_key, batch).images
        wanted = jax.nn.sigmoid(text_logits(teacher, images))
        turned, wanted = turn_pages(views_key, images, wanted, options)
        widths = jnp.full(len(turned), turned.shape[2])
        keys = jax.random.split(spoiling_key, len(turned))
        turned = augment(keys, turned, widths, options.augmentation)
        values = score_divergence(text_logits(params, turned), wanted)
        text = jnp.maximum(wanted.mean(axis=(1, 2)), _LEAST_TEXT)
        return Losses(values.mean(axis=(1, 2)) / text, {}, {})

    return loss


def turn_pages(
    key: jax.Array, images: jax.Array, maps: jax.Array, options: TurningOptions
) -> tuple[jax.Array, jax.Array]:
    """Pages and their maps, turned together.

    Args:
        key: Random key.
        images: uint8 [n, h, w, 3].
        maps: [n, h, w] in [0, 1].
        options: How they are turned.

    Returns:
        The turned pages, uint8, of which what lies beyond the page has one colour, and their maps.
    """

    def turn(page_key: jax.Array, image: jax.Array, values: jax.Array) -> jax.Array:
        view_key, colour_key = jax.random.split(page_key)
        sheet = jnp.concatenate([image.astype(jnp.float32) / 255, values[..., None]], axis=-1)
        beyond = jnp.append(jnp.repeat(jax.random.uniform(colour_key), 3), 0.0)[:, None, None]
        view = draw_turn(view_key, (image.shape[0], image.shape[1]), options)
        return look(view, jnp.moveaxis(sheet, -1, 0), beyond)

    seen = jax.vmap(turn)(jax.random.split(key, len(images)), images, maps)
    turned = jnp.round(jnp.moveaxis(seen[:, :3], 1, -1) * 255).astype(jnp.uint8)
    return turned, jnp.clip(seen[:, 3], 0.0, 1.0)


def draw_turn(key: jax.Array, size: tuple[int, int], options: TurningOptions) -> View:
    """A view of a page (height, width), turned about its middle and scaled, at random."""
    dice, angles, leaning, scaling = jax.random.split(key, 4)
    kind, free = jax.random.uniform(dice), jax.random.uniform(angles, minval=-jnp.pi, maxval=jnp.pi)
    lean = jnp.deg2rad(options.lean_deg) * jax.random.normal(leaning)
    quarter = jnp.ceil(3 * (free / (2 * jnp.pi) + 0.5)) * jnp.pi / 2
    turned = jnp.where(kind < options.upright_share + options.quarter_share, quarter + lean, free)
    angle = jnp.where(kind < options.upright_share, lean, turned)
    low, high = options.least_scale, options.most_scale
    # The view takes places of the picture to places of the page.
    scale = 1 / (low * (high / low) ** jax.random.uniform(scaling))
    cosine, sine = scale * jnp.cos(angle), scale * jnp.sin(angle)
    middle = jnp.array([size[1] / 2, size[0] / 2])
    linear = jnp.array([[cosine, sine], [-sine, cosine]])
    homography = jnp.eye(3).at[:2, :2].set(linear).at[:2, 2].set(middle - linear @ middle)
    return View(homography, jnp.zeros(3))
