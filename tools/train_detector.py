"""Trains a detector after a configuration: by score maps on synthetic pages, or on labelled ones.

    python tools/train_detector.py --config configs/pretrain_score_maps.py --workdir=DIR
    python tools/train_detector.py --config configs/finetune_detection.py \
        --config.dataset=PATH/dl_dataset.json --workdir=DIR

`--config.NAME=VALUE` changes a field of the configuration. The best model ends in DIR/best, the
last one in DIR/final. A run that was cut off goes on with the same command.
"""

import argparse
import sys

from deepocr_jax.errors import DeepOCRError
from deepocr_jax.recipes.configuration import load_config
from deepocr_jax.recipes.detector_finetuning import DetectorFinetuneConfig, finetune_detector
from deepocr_jax.recipes.detector_training import train_detector

TERMINATED = 143


def main() -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="file with get_config()")
    parser.add_argument("--workdir", required=True, help="folder of states, reports and models")
    arguments, overrides = parser.parse_known_args()
    try:
        config = load_config(arguments.config, overrides)
        if isinstance(config, DetectorFinetuneConfig):
            report = finetune_detector(config, arguments.workdir)
            print("" if report is None else report.text)
            finished = report is not None
        else:
            outcome = train_detector(config, arguments.workdir)
            print(f"best: {outcome.history.best}")
            finished = outcome.finished
    except DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f'error: {error}; run: pip install "deepocr_jax[train]"', file=sys.stderr)
        return 2
    if not finished:
        print("stopped; the same command goes on", file=sys.stderr)
        return TERMINATED
    print(f"model: {arguments.workdir}/best")
    return 0


if __name__ == "__main__":
    sys.exit(main())
