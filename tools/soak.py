"""Streams images of mixed sizes for long: does the memory grow, does anything compile later?"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import jax
import numpy as np

import deepocr_jax
from deepocr_jax.infer.compiled import PREPARED_EVENT

PAGE = resource.getpagesize()
SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def resident_mib() -> float:
    """Resident memory of this process; where the system does not tell, the peak so far."""
    try:
        import psutil
    except ImportError:
        statm = Path("/proc/self/statm")
        if statm.exists():
            return int(statm.read_text().split()[1]) * PAGE / 2**20
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return psutil.Process().memory_info().rss / 2**20


def variant(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of an image, scaled and turned by chance."""
    height, width = (rng.integers(min(s, 48), s + 1) for s in image.shape[:2])
    row, col = rng.integers(image.shape[0] - height + 1), rng.integers(image.shape[1] - width + 1)
    part = np.rot90(image[row : row + height, col : col + width], int(rng.integers(4)))
    scale = rng.uniform(0.5, 1.5)
    return cv2.resize(np.ascontiguousarray(part), None, fx=scale, fy=scale)


def variants(sources: list[Path], count: int, seed: int) -> Iterator[np.ndarray]:
    """So many of them, one source after the other."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield variant(deepocr_jax.read_image(sources[number % len(sources)]), rng)


def soak(
    handle: deepocr_jax.DeepOCR, sources: list[Path], count: int, warm: int, seed: int
) -> dict:
    """Reads `count` images and reports memory and compilations after the first `warm` of them."""
    compiled, words, start = [], 0, time.perf_counter()

    def count_duration(event: str, duration_secs: float, **_: object) -> None:
        # Fires for a program from the compilation cache, too.
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(count_duration)
    jax.monitoring.register_event_listener(
        lambda event, **__: compiled.append(event) if event == PREPARED_EVENT else None
    )
    deepocr_jax.warm_up_deep_ocr(handle)
    at_start, at_warm, memory = len(compiled), None, {}
    for outcome in deepocr_jax.read_stream(variants(sources, count, seed), handle):
        assert outcome.result is not None, outcome.error
        number = outcome.index + 1
        found = outcome.result.get("words")
        words += 0 if found is None else len(found["word"])
        if number == warm:
            at_warm = len(compiled)
        if number % 50 == 0 or number == count:
            memory[number] = round(resident_mib(), 1)
            late = 0 if at_warm is None else len(compiled) - at_warm
            print(f"{number} images, {memory[number]} MiB, {late} compilations after {warm}")
    settled = [m for n, m in memory.items() if n >= warm]
    return {
        "images": count,
        "words": words,
        "seconds": round(time.perf_counter() - start, 1),
        "resident_mib": memory,
        "growth_after_warm_up_mib": round(settled[-1] - settled[0], 1) if settled else None,
        "compilations": len(compiled),
        "compilations_in_the_loop": len(compiled) - at_start,
        "compilations_after_warm_up": None if at_warm is None else len(compiled) - at_warm,
    }


def main() -> int:
    """Reads the arguments, soaks, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="images to read")
    parser.add_argument("--warm", type=int, default=200, help="images that count as warm-up")
    parser.add_argument("--folder", type=Path, help="images to vary, instead of the sample")
    parser.add_argument("--size", type=int, default=1024, help="detection_image_size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file for the report")
    args = parser.parse_args()
    sources = [SAMPLE]
    if args.folder:
        sources = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not sources:
        parser.error(f"no images in {args.folder}")
    handle = deepocr_jax.create_deep_ocr(detection_image_size=(args.size, args.size))
    report = soak(handle, sources, args.images, args.warm, args.seed)
    print(text := json.dumps(report, indent=1))
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
