"""A process that runs the networks in PyTorch and times them, so that both need not share one.

Lines of JSON come in and go out. {"do": "prepare", "name", "file", "out", "dtype", "mode"} loads a
network and its inputs from a file of arrays, see `network_benchmark`, and writes its outputs;
{"do": "time", "name", "calls"} tells how long that many calls take, one after the other.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_networks import Detector, Recognizer

from deepocr_jax.checkpoint import nested

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
READY: dict[str, Callable[[], Any]] = {}


def load_network(arrays: Any, told: dict[str, Any]) -> torch.nn.Module:
    """The network whose parameters lie in a file of arrays."""
    tree = nested({k.removeprefix("tree/"): arrays[k] for k in arrays.files if k[:5] == "tree/"})
    if told["kind"] == "ocr_detection":
        return Detector(tree["variables"], told["spec"], told["preprocess"])
    return Recognizer(tree["variables"], told["spec"], told["preprocess"], tree["head"])


def prepare(name: str, file: str, out: str, dtype: str, mode: str) -> dict[str, Any]:
    """Loads and compiles a network, and runs it once; `mode` "eager" leaves it as it is."""
    with np.load(file, allow_pickle=False) as arrays:
        told = json.loads(str(arrays["told"]))
        network = load_network(arrays, told).eval()
        inputs = [
            torch.from_numpy(arrays[k]).to(DEVICE) for k in ("images", "widths") if k in arrays
        ]
    how: Any = {"dtype": getattr(torch, dtype), "memory_format": torch.channels_last}
    network = network.to(device=DEVICE, **how)
    run: Any = network if mode == "eager" else torch.compile(network, mode=mode, dynamic=False)

    def once() -> Any:
        with torch.inference_mode():
            return run(*inputs)

    start = time.perf_counter()
    found = once()
    found = found if isinstance(found, tuple) else (found,)
    values = {f"output_{i}": x.float().cpu().numpy() for i, x in enumerate(found)}
    seconds = time.perf_counter() - start
    np.savez(out, **values)
    READY[name] = once
    return {"first_call_s": round(seconds, 2)}


def timed(name: str, calls: int) -> dict[str, Any]:
    """Seconds a call, of calls that wait for the last one only."""
    once = READY[name]
    once()
    _wait()
    start = time.perf_counter()
    for _ in range(calls):
        once()
    _wait()
    return {"seconds": (time.perf_counter() - start) / calls}


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Answers lines until there are no more."""
    # Float32 is for comparing values.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    out = sys.stdout
    sys.stdout = sys.stderr  # What libraries print is no answer.
    print(json.dumps({"torch": torch.__version__, "device": name}), file=out, flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        does = {"prepare": prepare, "time": timed}[given.pop("do")]
        try:
            answer = does(**given)
        except Exception as error:
            # Told to the one that asked, who decides what becomes of it.
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
