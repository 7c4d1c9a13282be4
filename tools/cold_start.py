"""How long a command takes from its start to its end for one page, in turns with a peer's.

    python tools/cold_start.py --turns=9 --peer=rapidocr --out=FILE

Both read the sample with their caches filled, by a turn that does not count. Beside the time that
passes, which other work on the machine makes longer, it tells the time on the processors.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import spread

import deepocr_jax

SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"


def run_once(command: list[str]) -> tuple[float, float]:
    """Seconds that pass, and seconds on the processors, until a command has ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used


def commands(peer: str) -> dict[str, list[str]]:
    """The commands by name."""
    found = {"deepocr": [sys.executable, "-m", "deepocr_jax", "read", str(SAMPLE)]}
    if peer == "rapidocr":
        beside = Path(sys.executable).with_name(peer)
        place = str(beside) if beside.exists() else shutil.which(peer)
        if place is None:
            raise SystemExit("--peer: there is no command rapidocr; run: pip install rapidocr")
        found[peer] = [place, "-img", str(SAMPLE)]
    elif peer != "none":
        raise SystemExit(f'--peer: expected "rapidocr" or "none", got {peer!r}')
    return found


def main(argv: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--peer", default="none")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    each = commands(args.peer)
    turns = [{name: run_once(c) for name, c in each.items()} for _ in range(args.turns + 1)][1:]
    report: dict[str, object] = {"what": f"reading {SAMPLE.name}", "turns": args.turns}
    for name in each:
        report[f"{name}_s"] = spread([turn[name][0] for turn in turns])
        report[f"{name}_cpu_s"] = spread([turn[name][1] for turn in turns])
    if args.peer in each:
        for number, unit in enumerate(("s", "cpu_s")):
            ours, theirs = ([turn[n][number] for turn in turns] for n in ("deepocr", args.peer))
            medians = statistics.median(ours) / statistics.median(theirs)
            report[f"ratio_of_medians_{unit}"] = round(medians, 3)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
