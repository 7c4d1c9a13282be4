"""Writes synthetic pages as a labelled dataset: python tools/make_pages.py FOLDER --count=200.

FOLDER/dl_dataset.json and FOLDER/images are then read like any other dataset: for detection as they
are, for recognition word by word (`python tools/train.py --config.dataset=FOLDER/dl_dataset.json`,
or `--config.rehearsal` beside one's own).
"""

import argparse
from functools import partial
from pathlib import Path

import cv2
import jax
import numpy as np
from tqdm import trange

from deepocr_jax import write_dl_dataset
from deepocr_jax.synth.pages import label_pages, make_atlas, read_photos, synthesize_pages
from deepocr_jax.synth.pages.labels import CLASS_NAMES

_BATCH = 8


def main() -> None:
    """Parses the command line, makes the pages and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="to write")
    parser.add_argument("--count", type=int, default=200, help="of pages")
    parser.add_argument("--side", type=int, default=512, help="of a page, in pixels")
    parser.add_argument("--scenes", type=float, default=0.4, help="share of scenes")
    parser.add_argument("--fonts", help="folder with fonts; default: those that are installed")
    parser.add_argument("--photos", help="grounds of scenes, a file of tools/cut_photos.py")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.count < 1:
        parser.error(f"--count: expected at least 1, got {args.count}")
    images = args.folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    photos = read_photos(args.photos, args.side, args.side) if args.photos else None
    atlas = make_atlas(args.fonts)
    make = jax.jit(
        partial(
            synthesize_pages, count=_BATCH, height=args.side, width=args.side, scenes=args.scenes
        )
    )
    samples = []
    for call in trange(-(-args.count // _BATCH), unit="batch"):
        key = jax.random.fold_in(jax.random.key(args.seed), call)
        pages = make(atlas, key, photos=photos)
        for image, labels in zip(np.asarray(pages.images), label_pages(pages), strict=True):
            if len(samples) == args.count:
                break
            number = len(samples) + 1
            name = f"page_{number:06d}.png"
            if not cv2.imwrite(str(images / name), image[..., ::-1]):
                parser.error(f"could not write {images / name}; is there room on the disk?")
            samples.append({"image_id": number, "image_file_name": name, **labels})
    write_dl_dataset(
        {
            "image_dir": str(images),
            "class_ids": list(range(len(CLASS_NAMES))),
            "class_names": list(CLASS_NAMES),
            "samples": samples,
        },
        args.folder / "dl_dataset.json",
    )
    words = sum(len(s["bbox_row"]) for s in samples)
    print(f"{len(samples)} pages with {words} words: {args.folder / 'dl_dataset.json'}")


if __name__ == "__main__":
    main()
