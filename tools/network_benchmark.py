"""The networks alone, on arrays that lie on the device: beside PyTorch, and beside the limits."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import jax
import numpy as np
from timing import spread

from deepocr_jax.checkpoint import ModelCheckpoint, flat_items
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.head import sliced_head
from deepocr_jax.infer.recognizer import LINE_HEIGHT
from deepocr_jax.models.recognizer import RecognizerBody
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.preprocess import normalize
from deepocr_jax.reader.handle import State

# Largest relative difference in float32 between the two libraries' values, which shows that they
# compute the same; sums of a thousand terms differ in their order.
TOLERANCE = 1e-3
Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class NetworkCase:
    """A network on inputs of one shape.

    Attributes:
        name: "detection", "recognition", or "detection by score maps".
        program: As a handle has it.
        inputs: Its arrays; the first is the images.
        model: What the peer is made of; None: there is no peer.
        head: The recognizer's head.
    """

    name: str
    program: Program
    inputs: Arrays
    model: ModelCheckpoint | None = None
    head: dict[str, Any] | None = None


def page_inputs(sample: np.ndarray, count: int, canvas: tuple[int, int]) -> Arrays:
    """Pages of a canvas (height, width): the sample, shifted a little each."""
    page = cv2.resize(sample, canvas[::-1])
    return (np.stack([np.roll(page, 7 * i, axis=0) for i in range(count)]),)


def line_inputs(sample: np.ndarray, count: int, width: int) -> Arrays:
    """Crops of a width, cut out of the sample, and their widths."""
    height = LINE_HEIGHT * sample.shape[1] // width
    tops = [29 * i % (sample.shape[0] - height) for i in range(count)]
    crops = [cv2.resize(sample[top : top + height], (width, LINE_HEIGHT)) for top in tops]
    return np.stack(crops), np.full(count, width, np.int32)


def network_cases(
    state: State, score_maps: State, pages: Arrays, lines: Arrays
) -> list[NetworkCase]:
    """The networks of two handles, the second with the detector by score maps."""
    nets, detector = state.nets, score_maps.nets.detector
    assert nets.detector and nets.recognizer and detector and state.recognition
    columns = np.arange(len(state.recognition.alphabet) + 1)
    space = nets.recognizer.characters.index(" ")
    head = sliced_head(state.recognition.variables["params"]["head"], columns, columns, space)
    reader = nets.recognizer.readers[0]
    return [
        NetworkCase("detection", nets.detector.replicas[0], pages, state.detection),
        NetworkCase("recognition", reader, lines, state.recognition, head),
        NetworkCase("detection by score maps", detector.replicas[0], pages),
    ]


def exact_values(case: NetworkCase, inputs: Arrays) -> list[np.ndarray]:
    """What a network gives in float32: maps, or best classes, margins and features of frames."""
    model, head = case.model, case.head
    assert model is not None
    spec = spec_from_dict(model.kind, model.spec)
    network: Any = RecognizerBody(spec) if head else make_model(model.kind, spec)
    variables = {k: v["body"] for k, v in model.variables.items()} if head else model.variables
    with jax.default_matmul_precision("highest"):
        x = normalize(jax.numpy.asarray(inputs[0]), model.preprocess)
        found = np.asarray(jax.jit(network.apply)(variables, x))
    if head is None:
        return [found]
    logits = found @ head["kernel"] + head["bias"]
    margin = logits[..., head["space"]] - logits.max(-1)
    return [logits.argmax(-1), margin, found]


def peer_arrays(case: NetworkCase, inputs: Arrays) -> dict[str, Any]:
    """A model and its inputs as named arrays."""
    model, head = case.model, case.head
    assert model is not None
    tree: dict[str, Any] = {"variables": model.variables, **({"head": head} if head else {})}
    told = {"kind": model.kind, "spec": model.spec, "preprocess": asdict(model.preprocess)}
    parameters = {f"tree/{k}": v for k, v in flat_items(tree)}
    named = dict(zip(("images", "widths"), inputs, strict=False))
    return {"told": np.array(json.dumps(told)), **parameters, **named}


class TorchPeer:
    """The process that runs PyTorch."""

    def __init__(self, python: str) -> None:
        """Starts it.

        Args:
            python: An interpreter that has PyTorch and finds this library.

        Raises:
            RuntimeError: PyTorch cannot be imported there.
        """
        script = Path(__file__).with_name("torch_peer.py")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen([python, str(script)], **pipes)
        self.told = self._answer()

    def ask(self, **what: Any) -> dict[str, Any]:
        """What it answers to a line.

        Raises:
            RuntimeError: It could not do it.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process ended, see above"}
        if "error" in answer:
            raise RuntimeError(f"PyTorch: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        with self._process:  # Closes its pipes, which ends it, and waits.
            pass


@contextmanager
def torch_peer(python: str) -> Iterator[TorchPeer | str]:
    """The peer, or why there is none."""
    if not python and find_spec("torch") is None:
        yield "PyTorch is not installed"
        return
    with ExitStack() as stack:
        try:
            peer = TorchPeer(python or sys.executable)
        except (RuntimeError, OSError) as error:
            yield str(error)
            return
        stack.callback(peer.close)
        yield peer


def seconds_a_call(program: Program, inputs: Any, calls: int) -> float:
    """Of calls that wait for the last one only."""
    start = time.perf_counter()
    found = [program(*inputs) for _ in range(calls)]
    jax.block_until_ready(found)
    return (time.perf_counter() - start) / calls


def measure_network(
    case: NetworkCase,
    peaks: dict[str, float],
    rounds: int,
    calls: int,
    peer: TorchPeer | str,
    dtype: str,
    mode: str,
) -> dict[str, Any]:
    """Images a second of a network and of the peer's, in turns, and the share of the limits."""
    device = case.program.device
    inputs = jax.device_put(case.inputs, device)
    start = time.perf_counter()
    jax.block_until_ready(case.program(*inputs))
    count = len(case.inputs[0])
    report: dict[str, Any] = {
        "network": case.name,
        "images": list(case.inputs[0].shape),
        "first_call_s": round(time.perf_counter() - start, 2),
    }
    other = peer if isinstance(peer, TorchPeer) and case.model is not None else None
    if other is not None:
        report["torch"] = _prepare(case, other, dtype, mode)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(seconds_a_call(case.program, inputs, calls))
        if other is not None:
            theirs.append(other.ask(do="time", name=case.name, calls=calls)["seconds"])
    report["ours_per_s"] = spread([count / x for x in ours])
    if theirs:
        report["torch_per_s"] = spread([count / x for x in theirs])
        report["ratio"] = spread([b / a for a, b in zip(ours, theirs, strict=True)])
    flop = case.program.flops(*case.inputs) / count
    moved = case.program.bytes_accessed(*case.inputs) / count
    return {**report, **shares(flop, moved, sorted(ours)[len(ours) // 2] / count, peaks)}


def shares(flop: float, moved: float, seconds: float, peaks: dict[str, float]) -> dict[str, Any]:
    """What an image takes, and how much of what the machine can do at most that is.

    Args:
        flop: Operations an image.
        moved: Bytes an image.
        seconds: An image.
        peaks: See `machine_peaks`.
    """
    peak = max(peaks["float32"], peaks["bfloat16"])
    by_products, by_memory = flop / peak, moved / peaks["memory"]
    return {
        "gflop_an_image": round(flop / 1e9, 3),
        "gbyte_an_image": round(moved / 1e9, 4),
        "share_of_product_peak": round(by_products / seconds, 4),
        "share_of_memory_peak": round(by_memory / seconds, 4),
        "bound_by": "products" if by_products > by_memory else "memory",
    }


def _prepare(case: NetworkCase, peer: TorchPeer, dtype: str, mode: str) -> dict[str, Any]:
    """Checks that the peer computes the same in float32, then makes the one that is timed."""
    few = tuple(x[:1] for x in case.inputs)
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        where = {"do": "prepare", "name": case.name, "file": str(file), "out": str(out)}
        np.savez(file, **peer_arrays(case, few))
        peer.ask(**where, dtype="float32", mode="eager")
        difference = largest_difference(exact_values(case, few), out)
        if difference > TOLERANCE:
            raise RuntimeError(
                f"{case.name}: PyTorch's values differ by {difference:.2g}, more than {TOLERANCE}; "
                "tools/torch_networks.py does not compute what the network computes"
            )
        np.savez(file, **peer_arrays(case, case.inputs))
        told = peer.ask(**where, dtype=dtype, mode=mode)
    exactness = {"difference_in_float32": float(f"{difference:.2g}")}
    return {**peer.told, **told, "dtype": dtype, "mode": mode, **exactness}


def largest_difference(expected: list[np.ndarray], out: Path) -> float:
    """Between the values of both libraries, relative to the largest of their kind.

    Raises:
        RuntimeError: A class differs at a frame.
    """
    with np.load(out, allow_pickle=False) as arrays:
        found = [arrays[name] for name in sorted(arrays.files)]
    if len(found) > 1 and not np.array_equal(expected[0], found[0]):
        differ = np.sum(expected[0] != found[0])
        raise RuntimeError(f"PyTorch reads other classes at {differ} of {expected[0].size} frames")
    pairs = zip(expected, found, strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6)) for a, b in pairs)
