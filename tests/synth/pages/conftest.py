from __future__ import annotations

import jax
import numpy as np
import pytest
from page_sizes import page_program

from deepocr_jax.synth.pages import Pages, make_atlas


@pytest.fixture(scope="session")
def atlas(font_paths):
    return make_atlas(font_paths[::5])


@pytest.fixture(scope="session")
def make(atlas):
    """Seed -> pages, of one compiled program; the arrays are NumPy's."""
    program = page_program()
    return lambda seed: Pages(*map(np.asarray, program(atlas, jax.random.key(seed))))
