"""Trains a recognizer after a configuration: on labelled crops, or on rendered text.

    python tools/train.py --config configs/finetune_recognition.py \
        --config.dataset=PATH/dl_dataset.json --workdir=DIR
    python tools/train.py --config configs/latin_recognition.py --workdir=DIR

`--config.NAME=VALUE` changes a field of the configuration. The best model ends in DIR/best, which
set_deep_ocr_param(handle, "recognition_model", "DIR/best") takes. A run that was cut off goes on
with the same command.

With several processes, start the same command in each with --coordinator=HOST:PORT --processes=N
--process=I.
"""

import argparse
import sys

from deepocr_jax.errors import DeepOCRError
from deepocr_jax.recipes.configuration import load_config

TERMINATED = 143


def main() -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="file with get_config()")
    parser.add_argument("--workdir", required=True, help="folder of states, reports and models")
    parser.add_argument("--coordinator", help="host:port of process 0")
    parser.add_argument("--processes", type=int, help="number of processes")
    parser.add_argument("--process", type=int, help="number of this process, from 0")
    arguments, overrides = parser.parse_known_args()
    try:
        config = load_config(arguments.config, overrides)
        if arguments.coordinator:
            import jax

            jax.distributed.initialize(
                arguments.coordinator, arguments.processes, arguments.process
            )
        from deepocr_jax.recipes.finetuning import finetune
        from deepocr_jax.recipes.recognizer_training import (
            RecognizerTrainingConfig,
            train_recognizer,
        )

        if isinstance(config, RecognizerTrainingConfig):
            outcome = train_recognizer(config, arguments.workdir)
            best = outcome.history.best or {}
            figures = [f"{k} {v:.4g}" for k, v in best.items() if isinstance(v, (int, float))]
            finished, told = outcome.finished, f"best: {', '.join(figures)}"
        else:
            report = finetune(config, arguments.workdir)
            finished, told = report is not None, "" if report is None else report.text
    except DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f'error: {error}; run: pip install "deepocr_jax[train]"', file=sys.stderr)
        return 2
    if not finished:
        print("stopped; the same command goes on", file=sys.stderr)
        return TERMINATED
    model = f"{arguments.workdir}/best"
    print(f'{told}\n\nmodel: {model}\nset_deep_ocr_param(handle, "recognition_model", "{model}")')
    return 0


if __name__ == "__main__":
    sys.exit(main())
