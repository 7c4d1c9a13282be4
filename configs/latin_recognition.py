"""A recognizer of Latin scripts out of the published one, for short words in narrow canvases."""

from deepocr_jax.recipes.recognizer_training import RecognizerTrainingConfig


def get_config() -> RecognizerTrainingConfig:
    """The documented values."""
    return RecognizerTrainingConfig()
