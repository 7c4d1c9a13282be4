"""Fine-tuning of the detector by score maps on pages with labelled words.

python tools/train_detector.py --config configs/finetune_detection.py \
        --config.dataset=DATASET/dl_dataset.json --workdir=RUN
"""

from deepocr_jax.detector_finetuning import DetectorFinetuneConfig


def get_config() -> DetectorFinetuneConfig:
    """The documented recipe."""
    return DetectorFinetuneConfig()
