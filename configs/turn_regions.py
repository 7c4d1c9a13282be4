"""The pretrained detector of text regions learns to find text that is turned.

python tools/train_detector.py --config configs/turn_regions.py --workdir=RUN
"""

from deepocr_jax.recipes.detector_training import DetectorTrainingConfig


def get_config() -> DetectorTrainingConfig:
    """The documented recipe."""
    return DetectorTrainingConfig(
        model="ppocrv6_small_detection",
        learns="turning",
        scenes=0.6,
        # Ten times as much destroys what the detector knows, 1e-4 learns no faster.
        learning_rate=4e-5,
        warmup_steps=30,
        weight_decay=0.0,
        average_decay=0.99,
        frozen=("LCNet_0/Stem_0", "LCNet_0/Block_0", "LCNet_0/Block_1"),
    )
