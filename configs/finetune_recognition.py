"""Fine-tuning of the recognition on labelled word crops."""

from deepocr_jax.finetuning import FinetuneConfig


def get_config() -> FinetuneConfig:
    """The documented recipe."""
    return FinetuneConfig()
