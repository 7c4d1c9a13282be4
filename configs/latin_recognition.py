"""A recognizer of Latin scripts and of displays, out of the published one, on rendered text.

python tools/train.py --config configs/latin_recognition.py --workdir=RUN
"""

from deepocr_jax.recipes.recognizer_training import RecognizerTrainingConfig


def get_config() -> RecognizerTrainingConfig:
    """The documented values."""
    return RecognizerTrainingConfig()
