"""This project's own trained weights, which come with it."""

from pathlib import Path

from deepocr_jax.checkpoint import ModelCheckpoint, read_checkpoint
from deepocr_jax.errors import WeightsError

OWN_MODELS: dict[str, str] = {
    "words_small_detection": "finds words by score maps",
}
"""Names of the models and what they do; each has a folder in `checkpoints/` with its model card."""

_PACKAGE = Path(__file__).parent
# In an installed package, and in a checkout.
_PLACES = (_PACKAGE / "checkpoints", _PACKAGE.parent / "checkpoints")


def load_own(name: str) -> ModelCheckpoint:
    """One of the models of `OWN_MODELS`.

    Raises:
        WeightsError: Its folder is missing.
        ModelFileError: Its folder is damaged.
    """
    for place in _PLACES:
        if (place / name).is_dir():
            return read_checkpoint(place / name)
    raise WeightsError(
        f"the weights of {name!r} are missing: expected a folder checkpoints/{name}; "
        "install deepocr_jax again, or take the folder from its repository"
    )
