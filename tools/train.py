"""Trains a recognizer after a configuration.

    python tools/train.py --config configs/finetune_recognition.py \
        --config.dataset=PATH/dl_dataset.json --workdir=DIR

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

        report = finetune(config, arguments.workdir)
    except DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f'error: {error}; run: pip install "deepocr_jax[train]"', file=sys.stderr)
        return 2
    if report is None:
        print("stopped; the same command goes on", file=sys.stderr)
        return TERMINATED
    print(report.text)
    print(
        f'\nmodel: {report.best}\nset_deep_ocr_param(handle, "recognition_model", "{report.best}")'
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
