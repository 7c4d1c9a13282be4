"""Cuts grounds without text for synthetic scenes out of photos.

    python tools/cut_photos.py FOLDER ... --out=photos.npy --side=640 --each=6

Parts of random size and place, scaled to one side; those in which the pretrained models read text,
and flat ones, are left out. Given to a training by `--config.photos=photos.npy`.
"""

import argparse
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import deepocr_jax as ocr

_LEAST_PART = 0.35  # of the shorter side of a photo
_LEAST_SCALE = 1.25  # how much a part may be enlarged
_LEAST_SPREAD = 8.0  # standard deviation of the luminance of what is not flat
_LEAST_LETTERS, _LEAST_CONFIDENCE = 3, 0.6  # of a word that is taken for text
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tga"}


def cut_part(image: np.ndarray, side: int, rng: random.Random) -> np.ndarray | None:
    """A part of a photo, scaled to `side`; None where the photo is too small or the part flat."""
    shorter = min(image.shape[:2])
    least = max(_LEAST_PART * shorter, side / _LEAST_SCALE)
    if least > shorter:
        return None
    length = round(least * (shorter / least) ** rng.random())
    row, col = (rng.randint(0, extent - length) for extent in image.shape[:2])
    part = image[row : row + length, col : col + length]
    part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return part if cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).std() >= _LEAST_SPREAD else None


def _has_words(result: Any) -> bool:
    """Whether text is read in it; what the detector alone takes for text is what to learn from."""
    words = result["words"]
    return any(
        len(word) >= _LEAST_LETTERS and confidence >= _LEAST_CONFIDENCE
        for word, confidence in zip(words["word"], words["confidence"], strict=True)
    )


def main() -> None:
    """Parses the command line, cuts and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="searched with all their folders")
    parser.add_argument("--out", type=Path, required=True, help="file of numpy's to write")
    parser.add_argument("--side", type=int, default=640, help="of a part, in pixels")
    parser.add_argument("--each", type=int, default=4, help="parts of a photo, at most")
    parser.add_argument("--most", type=int, default=1000, help="parts in all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    paths = sorted(
        path for f in args.folders for path in f.rglob("*") if path.suffix.lower() in _SUFFIXES
    )
    rng.shuffle(paths)
    handle = ocr.create_deep_ocr(mode="auto")
    canvas = -(-args.side // 32) * 32
    ocr.set_deep_ocr_param(handle, "detection_image_size", [canvas, canvas])
    kept: list[np.ndarray] = []
    seen = 0
    for path in paths:
        try:
            image = ocr.read_image(path)
        except ocr.DeepOCRError as error:
            print(f"left out: {error}")
            continue
        cut = (cut_part(image, args.side, rng) for _ in range(args.each))
        parts = [part for part in cut if part is not None]
        results = ocr.apply_deep_ocr(parts, handle) if parts else []
        kept += [
            part for part, result in zip(parts, results, strict=True) if not _has_words(result)
        ]
        seen += len(parts)
        if len(kept) >= args.most:
            break
    if not kept:
        parser.error("no part without text was found in these folders; give others")
    np.save(args.out, np.stack(kept[: args.most]))
    print(f"{min(len(kept), args.most)} parts kept of {seen}, from {len(paths)} files: {args.out}")


if __name__ == "__main__":
    main()
