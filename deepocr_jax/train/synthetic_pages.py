"""Pages to learn from that are made on the device."""

from typing import Any

import jax

from deepocr_jax.checkpoint import variables_sha256
from deepocr_jax.synth.pages import GlyphAtlas, Pages, make_atlas, read_photos, synthesize_pages
from deepocr_jax.train.pages import PageSource


def synthetic_source(
    pages: int,
    height: int,
    width: int,
    fonts: str = "",
    characters_per_page: int = 768,
    scenes: float = 0.4,
    photos: str = "",
    turned: bool = True,
) -> PageSource:
    """The source of synthetic pages.

    Args:
        pages: A step, on each device.
        height: Of the pages, in pixels.
        width: The same.
        fonts: Folder or file of fonts; empty: those of installed packages.
        characters_per_page: Most characters of a page.
        scenes: Share of pages that are scenes.
        photos: File of photos on which scenes stand; empty: none.
        turned: Whether pages are turned by any angle; otherwise they lean only a little.
    """

    def make(assets: Any, key: jax.Array, step: jax.Array) -> Pages:
        atlas, grounds = GlyphAtlas(**assets["atlas"]), assets.get("photos")
        return synthesize_pages(
            atlas, key, pages, height, width, characters_per_page, scenes, grounds, turned
        )

    assets: dict[str, Any] = {"atlas": make_atlas(fonts or None)._asdict()}
    if photos:
        assets["photos"] = read_photos(photos, height, width)
    values = [pages, height, width, characters_per_page, scenes, turned, variables_sha256(assets)]
    return PageSource(make, assets, pages, repr(values))
