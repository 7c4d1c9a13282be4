"""This project's own trained weights, which come with it."""

import hashlib
from pathlib import Path

from deepocr_jax.checkpoint import DESCRIPTION_FILE, ModelCheckpoint, read_checkpoint
from deepocr_jax.errors import WeightsError
from deepocr_jax.weights.model_cache import through_cache

OWN_MODELS: dict[str, str] = {
    "latin_small_recognition": "reads Latin scripts, and displays better than the published one",
    "regions_small_detection": "finds text regions, turned ones as well as upright ones",
    "text_axes_small": "tells along which axis the text of an image reads",
    "words_small_detection": "finds words by score maps",
}
"""Names of the models and what they do; each has a folder in `checkpoints/` with its model card."""

_PACKAGE = Path(__file__).parents[1]
# In an installed package, and in a checkout.
_PLACES = (_PACKAGE / "checkpoints", _PACKAGE.parent / "checkpoints")


def load_own(name: str) -> ModelCheckpoint:
    """One of the models of `OWN_MODELS`, through the cache, which is read ten times as fast.

    Raises:
        WeightsError: Its folder is missing.
        ModelFileError: Its folder is damaged.
    """
    for place in _PLACES:
        if (place / name).is_dir():
            return _read(place / name)
    raise WeightsError(
        f"the weights of {name!r} are missing: expected a folder checkpoints/{name}; "
        "install deepocr_jax again, or take the folder from its repository"
    )


def _read(source: Path) -> ModelCheckpoint:
    if not (source / DESCRIPTION_FILE).is_file():
        return read_checkpoint(source)  # Tells what is missing.
    # The description has the checksum of the variables in it.
    digest = hashlib.sha256((source / DESCRIPTION_FILE).read_bytes()).hexdigest()
    return through_cache(source.name, digest, lambda: read_checkpoint(source))
