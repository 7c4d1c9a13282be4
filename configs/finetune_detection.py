"""Fine-tuning of a detector, of either kind, on pages with labelled words.

python tools/train_detector.py --config configs/finetune_detection.py \
        --config.dataset=DATASET/dl_dataset.json --workdir=RUN

`--config.model=pretrained_deep_ocr_detection` takes the detector of text regions, which learns from
boxes alone.
"""

from deepocr_jax.recipes.detector_finetuning import DetectorFinetuneConfig


def get_config() -> DetectorFinetuneConfig:
    """The documented recipe."""
    return DetectorFinetuneConfig()
