"""Sizes of the pages that the tests make, and the program that makes them."""

from functools import partial

import jax

from deepocr_jax.synth.pages import synthesize_pages

COUNT, HEIGHT, WIDTH, CHARACTERS = 8, 192, 256, 200


def page_program():
    """(atlas, key) -> pages; compiled at its first call."""
    sizes = {"count": COUNT, "height": HEIGHT, "width": WIDTH, "characters_per_page": CHARACTERS}
    return jax.jit(partial(synthesize_pages, **sizes))
