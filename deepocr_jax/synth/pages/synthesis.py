"""Pages of text from a random key: layout, ink, view and picture in one jitted function."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deepocr_jax.augment.compression import BLOCK
from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.pages.block_kinds import PAGE_KINDS
from deepocr_jax.synth.pages.blocks import draw_blocks, draw_page_kind
from deepocr_jax.synth.pages.glyphs import Glyphs, place_glyphs
from deepocr_jax.synth.pages.gratings import add_gratings
from deepocr_jax.synth.pages.grounds import (
    Colours,
    draw_colours,
    paint_ground,
    paint_panels,
    smooth_noise,
)
from deepocr_jax.synth.pages.marks import paint_marks
from deepocr_jax.synth.pages.painting import paint_glyphs
from deepocr_jax.synth.pages.photos import set_on_photo
from deepocr_jax.synth.pages.printing import print_ground, print_ink
from deepocr_jax.synth.pages.taking import take_picture
from deepocr_jax.synth.pages.types import GlyphAtlas, Pages
from deepocr_jax.synth.pages.typesetting import set_words
from deepocr_jax.synth.pages.views import draw_view, look, to_picture

SMALLEST_SIDE_PX = 64

_CHARACTERS_A_WORD = 4  # fewer than the mean, so that there are enough words
_LEAST_HEIGHT_PX = 5.5  # of a visible character's cell
_LEAST_WIDTH_PX = 1.5
_LEAST_CONTRAST = 0.12  # between ink and what is behind it, in [0, 1]
_MOST_BLUR = 0.28  # standard deviation as a share of the cell's height
_CUT_PX = 1.0  # how far a visible cell may reach beyond the border


class _Sheet(NamedTuple):
    """A page before it is seen: [3, h, w] in [0, 1], its glyphs, and which of them stand out."""

    image: jax.Array
    glyphs: Glyphs
    stands_out: jax.Array


def synthesize_pages(
    atlas: GlyphAtlas,
    key: jax.Array,
    count: int,
    height: int,
    width: int,
    characters_per_page: int = 768,
    scenes: float = 0.4,
    photos: jax.Array | None = None,
    turned: bool = True,
) -> Pages:
    """Pages at random; a pure function of its arguments, to be called in `jax.jit`.

    Args:
        atlas: From `make_atlas`.
        key: Random key; each page has one of its own, split from it.
        count: Of pages, at least 1; static, as all that follow.
        height: In pixels, a multiple of 8, at least 64.
        width: Likewise.
        characters_per_page: Most characters of a page, at least 25: seven in ten of them in small
            type (up to about 15 pixels of letter height), one in 25 in the largest (above 30).
        scenes: Share of scenes in [0, 1]; the other pages are documents.
        photos: Grounds of most scenes, uint8 [n, h, w, 3] without text, at least as large as a
            page (see `photos.read_photos`); None: all grounds are painted.
        turned: Whether many of them are turned, by any angle, and a few of their blocks stand
            upright; otherwise they only lean a little.

    Returns:
        The pages; k is `characters_per_page`.

    Raises:
        ParameterValueError: A number out of its range.
    """
    _check(count, height, width, characters_per_page, scenes)
    keys = jax.random.split(key, count)

    def one(page_key: jax.Array) -> Pages:
        size = height, width
        return _synthesize(atlas, page_key, size, characters_per_page, scenes, photos, turned)

    return jax.vmap(one)(keys)


def _check(count: int, height: int, width: int, characters: int, scenes: float) -> None:
    if count < 1:
        raise ParameterValueError(f"count: expected at least 1, got {count}.")
    for name, side in (("height", height), ("width", width)):
        if side < SMALLEST_SIDE_PX or side % BLOCK:
            raise ParameterValueError(
                f"{name}: expected a multiple of {BLOCK} from {SMALLEST_SIDE_PX} on, got {side}."
            )
    if characters < 25:
        raise ParameterValueError(f"characters_per_page: expected at least 25, got {characters}.")
    if not 0 <= scenes <= 1:
        raise ParameterValueError(f"scenes: expected a share in [0, 1], got {scenes}.")


def _synthesize(
    atlas: GlyphAtlas,
    key: jax.Array,
    size: tuple[int, int],
    characters: int,
    scenes: float,
    photos: jax.Array | None,
    turned: bool,
) -> Pages:
    kinds, sheets, views, beyonds, pictures = jax.random.split(key, 5)
    kind = draw_page_kind(kinds, scenes)
    is_scene = jnp.array([k.is_scene for k in PAGE_KINDS.values()])[kind]
    sheet = _make_sheet(atlas, sheets, kind, is_scene, size, characters, photos, turned)
    view = draw_view(views, is_scene, size, turned)
    beyond = _draw_beyond(beyonds, size)
    seen = look(view, sheet.image, beyond)
    picture, blur_px = take_picture(pictures, seen, is_scene)
    quads = to_picture(view, sheet.glyphs.quads)
    visible = sheet.stands_out & _is_seen(quads, blur_px, size)
    image = jnp.moveaxis(jnp.round(picture * 255).astype(jnp.uint8), 0, -1)
    quads = jnp.where(sheet.glyphs.used[:, None, None], quads, 0.0)
    return Pages(image, quads, sheet.glyphs.word, sheet.glyphs.code, visible)


def _make_sheet(
    atlas: GlyphAtlas,
    key: jax.Array,
    kind: jax.Array,
    is_scene: jax.Array,
    size: tuple[int, int],
    characters: int,
    photos: jax.Array | None,
    turned: bool,
) -> _Sheet:
    keys = jax.random.split(key, 11)
    blocks = draw_blocks(keys[0], kind, atlas.face_odds, size, turned)
    ground = paint_ground(keys[3], is_scene, size)
    if photos is not None:
        ground, used = set_on_photo(keys[8], photos, is_scene, ground, blocks.used)
        blocks = blocks._replace(used=used)
    ground = add_gratings(keys[10], is_scene, ground)
    words = set_words(keys[1], atlas, blocks, characters // _CHARACTERS_A_WORD)
    glyphs = place_glyphs(keys[2], atlas, blocks, words, characters)
    colours = draw_colours(keys[4], blocks, is_scene, ground)
    ground, ink_colour = paint_panels(blocks, colours, ground)
    strength = 1 - 0.35 * jax.random.uniform(keys[5]) ** 2
    ink = paint_glyphs(atlas, glyphs, jnp.full(characters, strength), size)
    marks = paint_marks(keys[6], blocks, words, is_scene, size)
    ground = print_ground(keys[7], ground, ink, is_scene)
    image = print_ink(keys[9], ground, jnp.maximum(ink, strength * marks), ink_colour, is_scene)
    return _Sheet(
        image,
        glyphs,
        glyphs.used & _has_contrast(glyphs, colours, ground),
    )


def _has_contrast(glyphs: Glyphs, colours: Colours, ground: jax.Array) -> jax.Array:
    """Whether the ink differs from the ground in the middle of a glyph."""
    middle = glyphs.quads.mean(axis=1)[:, ::-1]
    limits = jnp.array(ground.shape[1:]) - 1
    place = jnp.clip(middle.astype(jnp.int32), 0, limits)
    behind = ground[:, place[:, 0], place[:, 1]].T
    difference = jnp.abs(colours.ink[glyphs.block] - behind).mean(axis=-1)
    return difference > _LEAST_CONTRAST


def _draw_beyond(key: jax.Array, size: tuple[int, int]) -> jax.Array:
    """What lies beyond the page: a table, black, or more of the same white."""
    base, noise, dice = jax.random.split(key, 3)
    colour = jnp.clip(jax.random.uniform(base) * 1.4 - 0.2, 0, 1)
    texture = 0.1 * jax.random.uniform(dice) * smooth_noise(noise, size, 8, 3)
    return jnp.clip(colour + texture, 0, 1)


def _is_seen(quads: jax.Array, blur_px: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Whether cells are large enough, sharp enough, and inside the picture."""
    sides = jnp.linalg.norm(jnp.roll(quads, -1, axis=1) - quads, axis=-1)
    across, along = jnp.minimum(sides[:, 0], sides[:, 2]), jnp.minimum(sides[:, 1], sides[:, 3])
    limits = jnp.array([size[1], size[0]])
    inside = jnp.all((quads > -_CUT_PX) & (quads < limits + _CUT_PX), axis=(1, 2))
    large = (along > _LEAST_HEIGHT_PX) & (across > _LEAST_WIDTH_PX)
    return inside & large & (blur_px < _MOST_BLUR * along)
