"""How well turned images are read: the bag of words by angle.

    python tools/turned_reading.py --dataset=PATH/dl_dataset.json --model=DIR --angles 0 30 60 90

F1 in percent of the words that are read and the words that are labelled, wherever they are, without
case and punctuation. Each image is turned as a whole, counter-clockwise, onto a larger one.
"""

import argparse
import json
import random
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

import deepocr_jax as ocr
from deepocr_jax.metrics.recognition import to_36_characters
from deepocr_jax.types import DLDatasetSample


def turn(image: np.ndarray, degrees: float) -> np.ndarray:
    """The image [h, w, 3] turned counter-clockwise; what comes in at the corners has one colour."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(image, round(degrees / 90)))
    height, width = image.shape[:2]
    cos, sin = abs(np.cos(np.deg2rad(degrees))), abs(np.sin(np.deg2rad(degrees)))
    size = np.rint([width * cos + height * sin, width * sin + height * cos]).astype(int)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += (size - [width, height]) / 2
    colour = np.median(image.reshape(-1, 3), axis=0).tolist()
    return cv2.warpAffine(image, matrix, size.tolist(), borderValue=colour)


def words_of(texts: list[str]) -> Counter[str]:
    """Words of 36 characters, as often as they are there."""
    plain = map(to_36_characters, texts)
    return Counter(text for text in plain if text)


def labelled(sample: DLDatasetSample) -> Counter[str]:
    """The words of a sample of a dataset for the detection, as its labels tell them."""
    texts = [str(data.get("text", "")) for data in sample.get("label_custom_data", [])]
    return words_of([word for text in texts for word in text.split()])


def read_words(outcome: ocr.StreamResult) -> Counter[str]:
    """The words that were read in an image."""
    if outcome.result is None:
        raise outcome.error or ocr.DeepOCRError("nothing was read")
    return words_of(list(outcome.result.get("words", {}).get("word", [])))


def bag_f1(pairs: list[tuple[Counter[str], Counter[str]]]) -> float:
    """F1 in percent, of (labelled, read) words of each image."""
    right = sum(sum((a & b).values()) for a, b in pairs)
    total = sum(sum(a.values()) + sum(b.values()) for a, b in pairs)
    return round(200 * right / max(total, 1), 2)


def main() -> int:
    """Runs the command line; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="whole images with words and their texts")
    parser.add_argument("--model", action="append", help="of the detection; repeatable")
    parser.add_argument("--angles", type=float, nargs="+", default=[30.0 * k for k in range(12)])
    parser.add_argument("--count", type=int, default=0, help="images, drawn by chance; 0: all")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of the reader; repeatable"
    )
    parser.add_argument("--out", type=Path, help="file for the figures, which are added to it")
    args = parser.parse_args()
    if any("=" not in setting for setting in args.set):
        parser.error(f"--set: expected NAME=VALUE, got {args.set}")
    settings = dict(setting.split("=", 1) for setting in args.set)
    try:
        dataset, _ = ocr.read_dl_dataset_ocr_detection(args.dataset)
        samples = list(dataset["samples"])
        if 0 < args.count < len(samples):
            samples = random.Random(0).sample(samples, args.count)
        folder = Path(dataset["image_dir"])
        images = [ocr.read_image(folder / s.get("image_file_name", "")) for s in samples]
        truth = [labelled(s) for s in samples]
        figures = []
        for name in args.model or ["pretrained_deep_ocr_detection"]:
            handle = ocr.create_deep_ocr(detection_model=name, **settings)
            by_angle = {}
            for degrees in args.angles:
                turned = [turn(image, degrees) for image in images]
                found = [read_words(outcome) for outcome in ocr.read_stream(turned, handle)]
                by_angle[f"{degrees:g}"] = bag_f1(list(zip(truth, found, strict=True)))
                print(f"{name}, {degrees:g} degrees: {by_angle[f'{degrees:g}']}", flush=True)
            told = {"model": Path(name).name, "set": args.set, "images": len(images)}
            figures.append({**told, "bag_f1": by_angle})
    except ocr.DeepOCRError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.out:
        known = json.loads(args.out.read_text()) if args.out.exists() else {"sets": {}}
        known["versions"] = {name: version(name) for name in ("jax", "deepocr_jax")}
        known["sets"].setdefault(Path(args.dataset).parent.name, []).extend(figures)
        args.out.write_text(json.dumps(known, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
