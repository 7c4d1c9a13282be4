import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth import fonts


@pytest.fixture(scope="session")
def font_paths():
    try:
        return fonts.find_fonts()
    except ParameterValueError:
        pytest.skip("no package with fonts is installed: pip install 'deepocr_jax[train]'")
