"""Fine-tuning of the recognition on labelled word crops.

    python tools/train.py --config configs/finetune_recognition.py \
        --config.dataset=DATASET/dl_dataset.json --workdir=RUN

On two cores (AMD EPYC with AVX-512) a thousand steps take 6 minutes with short words (160 px) and
11 with long ones (320 px). What was reached, by which values, is in
`benchmarks/results/finetune_cpu.json`.
"""

from deepocr_jax.recipes.finetuning import FinetuneConfig


def get_config() -> FinetuneConfig:
    """The documented recipe."""
    return FinetuneConfig()
