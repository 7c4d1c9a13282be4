"""Fine-tuning of the recognition on labelled word crops."""

from deepocr_jax.finetune import FinetuneConfig


def get_config() -> FinetuneConfig:
    """The documented recipe."""
    return FinetuneConfig()
