"""Compares recognizers on a dataset of words.

    python tools/evaluate.py --dataset=PATH/dl_dataset.json --model=DIR/best

The pretrained recognizer is always compared. --split=test takes one split, --json=FILE writes all
figures, --pictures=FILE.png the crops that the last model reads worst.
"""

import argparse
import json
import sys
from pathlib import Path

from deepocr_jax.data.ocr_datasets import read_dl_dataset_ocr_recognition
from deepocr_jax.data.sources import DatasetSource
from deepocr_jax.dl.evaluation import evaluate_dl_model
from deepocr_jax.dl.model import read_dl_model
from deepocr_jax.errors import DeepOCRError
from deepocr_jax.metrics.tables import compare, format_characters, format_confusions, format_worst

PRETRAINED = "pretrained_deep_ocr_recognition"


def main() -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="dataset file, whole images or crops")
    parser.add_argument("--split", help="train, validation or test; all samples without it")
    parser.add_argument("--model", action="append", default=[], help="name or folder; repeatable")
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--pictures", type=Path, help="file for the worst crops of the last model")
    arguments = parser.parse_args()
    try:
        dataset = read_dl_dataset_ocr_recognition(arguments.dataset)
        key = "split" if arguments.split else None
        figures = {
            name: evaluate_dl_model(dataset, read_dl_model(name), key, arguments.split)
            for name in dict.fromkeys([PRETRAINED, *arguments.model])
        }
        last = figures[[*figures][-1]]
        if arguments.pictures:
            from deepocr_jax.display.figures import worst_examples

            source = DatasetSource(dataset, arguments.split)
            worst_examples(last, source).savefig(arguments.pictures)
    except DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(compare(figures))
    for title, text in (
        ("Confusions", format_confusions(last)),
        ("Characters read worst", format_characters(last)),
        ("Worst readings", format_worst(last)),
    ):
        print(f"\n{title} of the last model\n{text}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
