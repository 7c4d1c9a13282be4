"""Training of the detector by score maps on synthetic pages, from the pretrained detector.

python tools/train_detector.py --config configs/pretrain_score_maps.py --workdir=RUN
"""

from deepocr_jax.recipes.detector_training import DetectorTrainingConfig


def get_config() -> DetectorTrainingConfig:
    """The documented recipe."""
    return DetectorTrainingConfig()
