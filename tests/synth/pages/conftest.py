from __future__ import annotations

from functools import partial

import jax
import numpy as np
import pytest
from page_sizes import CHARACTERS, COUNT, HEIGHT, WIDTH

from deepocr_jax.synth.pages import Pages, make_atlas, synthesize_pages


@pytest.fixture(scope="session")
def atlas(font_paths):
    return make_atlas(font_paths[::5])


@pytest.fixture(scope="session")
def make(atlas):
    """Seed -> pages, of one compiled program; the arrays are NumPy's."""
    program = jax.jit(
        partial(
            synthesize_pages,
            count=COUNT,
            height=HEIGHT,
            width=WIDTH,
            characters_per_page=CHARACTERS,
        )
    )
    return lambda seed: Pages(*map(np.asarray, program(atlas, jax.random.key(seed))))
