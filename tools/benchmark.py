"""Measures speed: reading and its stages, streams, the networks, training; each beside its limits.

    python tools/benchmark.py --pages=FOLDER --crops=FOLDER --rounds=3 --peer=rapidocr \
        --parts=reading --out=benchmarks/results/speed_cpu.json
    python tools/benchmark.py --pages=FOLDER --torch_python=PYTHON --out=FILE

Folders of images; without them the sample and rendered words are taken. All of it is warm: what
preparing the programs took is told apart. Each part is written as soon as it is measured, beside
those that the file has from the same commit and machine. PyTorch runs in a process of its own; the
result says so where it is not installed. Nothing here needs TensorFlow.
"""

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
from benchmark_tables import tables
from machine_peaks import machine_peaks
from network_benchmark import (
    line_inputs,
    measure_network,
    network_cases,
    page_inputs,
    torch_peer,
)
from reading_benchmark import (
    PREPARED,
    SAMPLE,
    in_turns,
    measure_stages,
    measure_stream,
    sample_paths,
    word_images,
)
from training_steps import (
    detection_case,
    measure_pages,
    measure_step,
    recognition_case,
    rendered_crops,
    with_share_of_pages,
)

import deepocr_jax as ocr
from deepocr_jax.infer.programs import enable_compilation_cache
from deepocr_jax.infer.recognizer import group_size
from deepocr_jax.infer.tiles import detection_batch_size
from deepocr_jax.reader.handle import page_settings
from deepocr_jax.weights.model_cache import model_cache_dir

PARTS = ("networks", "stream", "training", "reading")
OWN_DETECTOR = "words_small_detection"
FAST: dict[str, Any] = {
    "detection_optimize_for_inference": True,
    "recognition_optimize_for_inference": True,
}
# What a first look, or a test, takes: everything as small as it goes.
TOY = {
    "count": 1, "crop_count": 4, "rounds": 1, "stream": 2, "canvas": (128, 192), "line_width": 160,
    "pages_a_batch": [1], "lines_a_batch": [2], "calls": 1, "seconds": 0.1, "rows": 2,
    "step_pages": 1, "side": 64, "characters": 32,
}  # fmt: skip
Report = dict[str, Any]


def measure_reading(args: argparse.Namespace, peaks: Report) -> Report:
    """Pages and word crops, in turns with a peer, and the stages of pages."""
    state = ocr.create_deep_ocr(**args.settings).state
    whole, stages = [], []
    for folder in args.pages or [None]:
        paths = sample_paths(folder, args.count)
        images = [ocr.read_image(p) for p in paths]
        turns = in_turns(images, "auto", args.peer, args.rounds, args.settings)
        whole.append({"what": f"pages, {told(folder, 'the sample')}", **turns})
        if not stages:
            how = page_settings(state.parameters)
            stages = measure_stages(images, paths, state.nets, how, args.rounds)
    for folder in args.crops or [None]:
        images = word_images(folder, args.crop_count)
        turns = in_turns(images, "recognition", args.peer, args.rounds, _only(args, "recognition"))
        whole.append({"what": f"word crops, {told(folder, 'rendered')}", **turns})
    return {"stages": stages, "whole": whole}


def measure_streams(args: argparse.Namespace, peaks: Report) -> Report:
    """Streams of pages with the default detector, with boxes on the device, with our own."""
    variants: dict[str, Report] = {
        "default detector": {},
        "default detector, boxes on the device": {"detection_boxes_on_device": True},
        OWN_DETECTOR: {"detection_model": OWN_DETECTOR},
    }
    streams = []
    for folder in args.pages or [None]:
        paths = sample_paths(folder, args.count)
        for name, settings in variants.items():
            how = {**args.settings, **settings}
            found = measure_stream(paths, how, args.stream, args.rounds)
            streams.append({"what": told(folder, "the sample"), "detector": name, **found})
            first = next(x for x in streams if x["what"] == streams[-1]["what"])
            rates = [x["pages_per_s"]["median"] for x in (streams[-1], first)]
            streams[-1]["ratio_to_default"] = round(rates[0] / rates[1], 3)
    return {"streams": streams}


def measure_networks(args: argparse.Namespace, peaks: Report) -> Report:
    """Detection and recognition alone, beside PyTorch."""
    state = ocr.create_deep_ocr(**FAST).state
    fast = _only(args, "detection")
    own = ocr.create_deep_ocr("detection", **fast, detection_model=OWN_DETECTOR)
    image = ocr.read_image(SAMPLE)
    platform_name = jax.local_devices()[0].platform
    pages = args.pages_a_batch or [detection_batch_size(0, platform_name)]
    lines = args.lines_a_batch or [group_size(args.line_width, platform_name)]
    found: list[Report] = []
    with torch_peer(args.torch_python) as peer:
        for number in range(max(len(pages), len(lines))):
            cases = network_cases(
                state,
                own.state,
                page_inputs(image, pages[min(number, len(pages) - 1)], args.canvas),
                line_inputs(image, lines[min(number, len(lines) - 1)], args.line_width),
            )
            for case in cases:
                how = (args.rounds, args.calls, peer, args.torch_dtype, args.torch_mode)
                found.append(measure_network(case, peaks, *how))
        absent = peer if isinstance(peer, str) else ""
    default, other = (
        next(x["ours_per_s"]["median"] for x in found if x["network"] == name)
        for name in ("detection", "detection by score maps")
    )
    ratio = round(other / default, 3)
    return {"networks": found, "torch_absent": absent, "score_maps_to_default": ratio}


def measure_training(args: argparse.Namespace, peaks: Report) -> Report:
    """Steps of the recognizer and of the detector by score maps."""
    enable_compilation_cache(model_cache_dir() / "xla")
    source = rendered_crops(max(32, args.rows), args.line_width)
    steps = []
    for precision in ("float32", "bfloat16"):
        cases = [
            recognition_case("recognition", source, args.rows, args.line_width, 1, precision),
            detection_case(args.step_pages, args.side, precision, args.characters),
        ]
        steps += [measure_step(x, args.seconds, peaks[precision]) for x in cases]
    pages = measure_pages(args.step_pages, args.side, args.seconds, args.characters)
    return {"training": [*with_share_of_pages(steps, pages), pages]}


def told(folder: Path | None, otherwise: str) -> str:
    """The name of a folder in a report."""
    return otherwise if folder is None else "/".join(folder.parts[-2:])


def _only(args: argparse.Namespace, component: str) -> Report:
    return {name: value for name, value in args.settings.items() if name.startswith(component)}


def header(args: argparse.Namespace) -> Report:
    """What the figures belong to."""
    found = {}
    for name in ("jax", "jaxlib", "flax", "numpy", "rapidocr", "onnxruntime", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    device = jax.local_devices()[0]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    size = {"size": "toy: shows that everything runs, and nothing of its speed"}
    return {
        **(size if args.toy else {}),
        "device": f"{jax.local_device_count()} x {device.device_kind}",
        "processor": platform.processor() or platform.machine(),
        "versions": {"python": platform.python_version(), **found},
        "commit": commit.strip(),
        "set": args.set,
    }


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS), help="of the four, with commas")
    parser.add_argument("--pages", type=Path, action="append", default=[])
    parser.add_argument("--crops", type=Path, action="append", default=[])
    parser.add_argument("--count", type=int, default=40, help="pages of each folder at most")
    parser.add_argument("--crop_count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", default="none", help="of reading: rapidocr")
    parser.add_argument("--stream", type=int, default=400, help="pages of a stream's round")
    parser.add_argument("--canvas", type=sides, default=(1024, 768), help="HEIGHTxWIDTH")
    parser.add_argument("--line_width", type=int, default=320)
    parser.add_argument("--pages_a_batch", type=int, nargs="+", default=[])
    parser.add_argument("--lines_a_batch", type=int, nargs="+", default=[])
    parser.add_argument("--calls", type=int, default=20, help="of a network in a row")
    parser.add_argument("--torch_python", default="", help="interpreter that has PyTorch")
    parser.add_argument("--torch_dtype", default="bfloat16")
    parser.add_argument("--torch_mode", default="default", help="of torch.compile, or eager")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each training step")
    parser.add_argument("--rows", type=int, default=16, help="crops of a training step")
    parser.add_argument("--step_pages", type=int, default=4)
    parser.add_argument("--side", type=int, default=512, help="of a training step's pages")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of the reader; repeatable"
    )
    parser.add_argument("--toy", action="store_true", help="as small as it goes, without figures")
    args = parser.parse_args(argv)
    if any("=" not in setting for setting in args.set):
        parser.error(f"--set: expected NAME=VALUE, got {args.set}")
    if args.set and not {"reading", "stream"}.issuperset(args.parts.split(",")):
        parser.error("--set is for the parts reading and stream: name them with --parts")
    chosen = dict(setting.split("=", 1) for setting in args.set)
    args.characters, args.settings = 768, {**FAST, **chosen}
    if args.toy:
        vars(args).update(TOY)
        args.settings["detection_image_size"] = (256, 256)
    return args


def sides(text: str) -> tuple[int, int]:
    """HEIGHTxWIDTH -> both."""
    height, width = text.split("x")
    return int(height), int(width)


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    args = parse(argv)
    measures: dict[str, Callable[[argparse.Namespace, Report], Report]] = {
        "networks": measure_networks,
        "stream": measure_streams,
        "training": measure_training,
        "reading": measure_reading,
    }
    jax.monitoring.register_event_listener(PREPARED)
    report = {"date": str(date.today()), **header(args)}
    if args.out.exists():
        before = json.loads(args.out.read_text(encoding="utf-8"))
        same = all(
            before.get(name) == report[name] for name in ("device", "versions", "commit", "set")
        )
        report = {**before, **report} if same else report
    peaks = machine_peaks(jax.local_devices()[0])
    report["peaks"] = {k: float(f"{v:.4g}") for k, v in peaks.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name in args.parts.split(","):
        start = time.perf_counter()
        report.update(measures[name](args, peaks))
        report.setdefault("part_s", {})[name] = round(time.perf_counter() - start, 1)
        args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(tables(report))


if __name__ == "__main__":
    main()
