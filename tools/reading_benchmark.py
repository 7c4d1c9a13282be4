"""Reading as a whole and by its stages, in turns with a peer, and as a stream."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from timing import milliseconds, spread

import deepocr_jax as ocr
from deepocr_jax.cli.read import find_images
from deepocr_jax.infer.compiled import PREPARED_EVENT
from deepocr_jax.infer.detector import search
from deepocr_jax.infer.lines import crop_line, read_lines, set_upright
from deepocr_jax.infer.looks import look_at
from deepocr_jax.infer.pipeline import Networks, PageSettings, make_lines, page_words
from deepocr_jax.infer.recognizer import make_groups, run_group
from deepocr_jax.infer.tiles import detection_batch_size, run_tiles
from deepocr_jax.postprocess.db_regions import find_regions
from deepocr_jax.synth.text_lines import RenderedSource

SAMPLE = Path(ocr.__file__).parent / "assets" / "sample.png"
WORKERS = 2


def measure_stages(
    images: list[np.ndarray], paths: list[str], nets: Networks, how: PageSettings, rounds: int
) -> list[dict[str, Any]]:
    """The stages of reading pages one after the other, each alone."""
    detector, recognizer, classifier = nets.detector, nets.recognizer, nets.orientation
    looks = nets.looks
    assert detector is not None and recognizer is not None and classifier is not None
    stages: list[dict[str, Any]] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        found = search(images, detector, how.detection, pool)
        canvases = [x.canvas for x in found]
        batch = detection_batch_size(how.detection.batch_size, detector.platform)

        def lines() -> list[Any]:
            return [x for i, d in enumerate(found) for x in make_lines(i, d, how, True)]

        def upright() -> list[Any]:
            turned = lines()
            set_upright(turned, images, classifier, recognizer, how.recognition)
            return turned

        def read(given: list[Any]) -> None:
            read_lines(given, images, recognizer, how.recognition, pool, classifier)

        ready = upright()
        crops = [crop_line(x, images, how.recognition.max_width) for x in ready]
        read(ready)
        width = how.recognition.max_width
        groups = make_groups(crops, recognizer, width, how.recognition.batch_size)

        def networks() -> None:
            run = lambda n: run_group(crops, recognizer, groups[n], n)  # noqa: E731
            list(pool.map(run, range(len(groups))))

        cases: list[tuple[str, Callable[[], Any]]] = [
            ("decoding", lambda: list(pool.map(ocr.read_image, paths))),
            ("detection, network", lambda: run_tiles(canvases, detector.replicas, batch, pool)),
            (
                "detection, boxes",
                lambda: [find_regions(x.score_maps[..., 0], how.detection.regions) for x in found],
            ),
            ("which way up", upright),
            ("crops", lambda: [crop_line(x, images, width) for x in ready]),
            ("recognition, networks", networks),
            ("recognition, whole", lambda: read(ready)),
            ("words", lambda: page_words(ready, how)),
        ]
        if looks is not None:
            cases.insert(1, ("looks", lambda: look_at(images, looks, how.detection, pool)))
        for name, function in cases:
            stages.append({"stage": name, "ms": milliseconds(function, len(images), rounds)})
        by_name = {x["stage"]: x for x in stages}
        tiles = {c.shape for c in canvases}
        work = sum(detector.replicas[0].flops(np.zeros((1, *s), np.uint8)) for s in tiles) / len(
            tiles
        )
        by_name["detection, network"]["gflop"] = round(work / 1e9, 2)
        computed = sum(size * w for (size, w), _ in groups)
        sample = (np.zeros((2, 48, 320, 3), np.uint8), np.zeros(2, np.int32))
        work = recognizer.readers[0].flops(*sample) / 640 * computed / len(images)
        networks_stage = by_name["recognition, networks"]
        networks_stage["gflop"] = round(work / 1e9, 2)
        networks_stage["crops"] = round(len(crops) / len(images), 1)
        networks_stage["columns_computed"] = round(computed / len(images))
        networks_stage["padding_waste"] = round(1 - sum(c.shape[1] for c in crops) / computed, 3)
    return stages


def peer_reader(name: str, mode: str, threads: int) -> Callable[[list[np.ndarray]], None]:
    """Reads RGB images one by one with another library."""
    if name != "rapidocr":
        raise SystemExit(f'--peer: expected "rapidocr" or "none", got {name!r}')
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        }
    )
    kind = {"return_word_box": True} if mode == "auto" else {"use_det": False, "use_rec": True}

    def read(images: list[np.ndarray]) -> None:
        for image in images:
            engine(np.ascontiguousarray(image[:, :, ::-1]), use_cls=False, **kind)

    return read


def in_turns(
    images: list[np.ndarray], mode: str, peer: str, rounds: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Images a second of this library and of a peer, and the ratio, a round each in turns."""
    handle = ocr.create_deep_ocr(mode, **settings)
    prepared_before = PREPARED.total
    start = time.perf_counter()
    ocr.apply_deep_ocr(images, handle, mode)
    report: dict[str, Any] = {
        "mode": mode,
        "images": len(images),
        "first_call_s": round(time.perf_counter() - start, 2),
        "programs_prepared": PREPARED.total - prepared_before,
    }
    theirs = None if peer == "none" else peer_reader(peer, mode, WORKERS)
    if theirs:
        theirs(images[:2])
    ours_s, theirs_s = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        ocr.apply_deep_ocr(images, handle, mode)
        ours_s.append(len(images) / (time.perf_counter() - start))
        if theirs:
            start = time.perf_counter()
            theirs(images)
            theirs_s.append(len(images) / (time.perf_counter() - start))
    report["ours_per_s"] = spread(ours_s)
    if theirs:
        report[f"{peer}_per_s"] = spread(theirs_s)
        report["ratio"] = spread([a / b for a, b in zip(ours_s, theirs_s, strict=True)])
    return report


class _Prepared:
    """Counts the programs that were compiled or loaded."""

    total = 0

    def __call__(self, event: str, **_: Any) -> None:
        self.total += event == PREPARED_EVENT


PREPARED = _Prepared()


def sample_paths(folder: Path | None, count: int) -> list[str]:
    """Some images of a folder, the same ones every time; the sample without a folder."""
    if folder is None:
        return [str(SAMPLE)] * min(count, 8)
    paths = find_images([str(folder)])
    return paths if len(paths) <= count else sorted(random.Random(0).sample(paths, count))


def word_images(folder: Path | None, count: int) -> list[np.ndarray]:
    """Word crops of a folder, or rendered ones."""
    if folder is None:
        rendered = RenderedSource(count)
        return [rendered.crop(i) for i in range(count)]
    return [ocr.read_image(p) for p in sample_paths(folder, count)]


def measure_stream(
    paths: list[str], settings: dict[str, Any], count: int, rounds: int
) -> dict[str, Any]:
    """Pages a second from files to words through `read_stream`, once everything is compiled.

    Args:
        paths: Images; the stream goes through them again and again.
        settings: Parameters of the handle.
        count: Pages of a round.
        rounds: Rounds, after one through all different images that does not count.
    """
    handle = ocr.create_deep_ocr(**settings)
    before, start = PREPARED.total, time.perf_counter()
    # In packs as they come later, since groups depend on what is read together.
    for _ in ocr.read_stream(islice(cycle(paths), max(len(paths), min(count, 64))), handle):
        pass
    report: dict[str, Any] = {
        "pages": count,
        "different_pages": len(paths),
        "first_pass_s": round(time.perf_counter() - start, 2),
        "programs_prepared": PREPARED.total - before,
    }
    before, words, rates, host = PREPARED.total, 0, [], []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        words = 0
        for outcome in ocr.read_stream(islice(cycle(paths), count), handle):
            assert outcome.result is not None, outcome.error
            found: Any = outcome.result
            words += len(found["words"]["row"])
        rates.append(count / (time.perf_counter() - start))
        host.append(1e3 * (time.process_time() - used) / count)
    return {
        **report,
        "words_a_page": round(words / count, 1),
        "programs_prepared_later": PREPARED.total - before,
        "pages_per_s": spread(rates),
        "host_cpu_ms_a_page": spread(host),
    }
