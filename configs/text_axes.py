"""A look at pages learns where text is and along which axis it reads.

python tools/train_detector.py --config configs/text_axes.py --workdir=RUN
"""

from deepocr_jax.recipes.detector_training import DetectorTrainingConfig


def get_config() -> DetectorTrainingConfig:
    """The documented recipe."""
    return DetectorTrainingConfig(
        learns="axes",
        scenes=0.6,
        average_decay=0.995,
        frozen=("LCNet_0/Stem_0", "LCNet_0/Block_0", "LCNet_0/Block_1"),
    )
