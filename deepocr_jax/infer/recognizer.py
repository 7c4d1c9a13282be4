"""Line crops -> characters with frames, candidates and confidences.

Two programs. The first runs once a group of crops of one width: body, head, best class of every
frame. The second runs over packed frames that bear a character, from all crops of the call: their
full softmax and best candidates. So nobody normalises 18,710 classes of a blank frame, and the
crop's neighbours in a batch do not matter.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.infer.buckets import line_width_bucket
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.head import best_class, best_classes, logits, sliced_head, space_margin
from deepocr_jax.infer.programs import Device, with_fast_products
from deepocr_jax.models.recognizer import RecognizerBody
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.text.ctc import BLANK, Runs, find_runs, first_maxima

LINE_HEIGHT = 48
FRAME_PX = 8
# Frames whose candidates are computed together. A CPU keeps their logits in its caches; of an
# accelerator each call takes the host as long as some hundred frames.
CANDIDATE_ROWS, ACCELERATOR_CANDIDATE_ROWS = 64, 2048
CPU_GROUP_PX = 1024
ACCELERATOR_GROUP_PX = 64 * 320


@dataclass(frozen=True)
class RecognizerNet:
    """A recognizer ready to run.

    Attributes:
        platform: Of its devices.
        readers: One a device: (crops, widths) -> (best classes, space margins, features).
        candidates: Rows of features -> (classes, confidences) of the best k.
        characters: Class -> character; class 0, the blank, is "".
        merged: Class -> the class that it is decoded as.
        features: Width of a frame's features.
        least_width: The narrowest canvas, in columns.
    """

    platform: str
    readers: tuple[Program, ...]
    candidates: Program
    characters: tuple[str, ...]
    merged: np.ndarray
    features: int
    least_width: int


def least_confidence(confidences: Sequence[Sequence[float]]) -> float:
    """Confidence of a word: the least of its characters' best; 0 where nothing was read."""
    return min((c[0] for c in confidences), default=0.0)


@dataclass(frozen=True)
class Reading:
    """What was read in one crop.

    Attributes:
        text: One character an entry.
        runs: Frames of the characters; a frame is `FRAME_PX` crop pixels wide.
        candidates: For each character its best classes' characters, best first.
        confidences: Their softmax values.
        space_margins: [t] for each frame how far the space is from the best class, in logits.
    """

    text: tuple[str, ...]
    runs: Runs
    candidates: tuple[tuple[str, ...], ...]
    confidences: tuple[tuple[float, ...], ...]
    space_margins: np.ndarray

    @property
    def confidence(self) -> float:
        """Mean confidence of the characters; 0 where nothing was read."""
        if not self.text:
            return 0.0
        return float(np.mean([c[0] for c in self.confidences]))


def make_recognizer_net(
    model: ModelCheckpoint,
    devices: tuple[Device, ...],
    columns: np.ndarray,
    mapping: np.ndarray | None = None,
    num_candidates: int = 3,
    dtype: str = "float32",
) -> RecognizerNet:
    """Puts a recognizer onto its devices, its head cut to an alphabet.

    Args:
        model: The recognizer.
        devices: One or more of one platform.
        columns: [c] classes to keep, the blank (0) first.
        mapping: [c] for each kept class the class that it is decoded as; 0: never decoded.
        num_candidates: Candidates a character.
        dtype: Compute type.
    """
    spec = spec_from_dict(model.kind, model.spec)
    platform = devices[0].platform
    identity = np.arange(len(columns))
    merged = identity if mapping is None else np.asarray(mapping, np.intp)
    characters = ("", *(model.alphabet[c - 1] for c in columns[1:]))
    space = characters.index(" ") if " " in characters else BLANK
    head = sliced_head(model.variables["params"]["head"], columns, merged, space)
    body = {name: tree["body"] for name, tree in model.variables.items()}
    body, head = (with_fast_products(x, platform) for x in (body, head))
    # One more than is shown, since the blank may be among them; a mapping can merge classes, too.
    fetched = 1 + num_candidates * (1 if np.array_equal(merged, identity) else 2)
    count = min(fetched, len(columns))
    read = functools.partial(_best_classes, spec.body_only(), dtype, model.preprocess)
    identity = repr(["recognizer", spec.body_only(), dtype, model.preprocess])
    return RecognizerNet(
        platform=platform,
        readers=tuple(Program(read, (body, head), device, identity) for device in devices),
        candidates=Program(
            functools.partial(_best_candidates_of_rows, count), head, devices[0], f"best {count}"
        ),
        characters=characters,
        merged=merged,
        features=spec.neck_features,
        least_width=spec.least_width,
    )


def _best_classes(
    spec: Any,
    dtype: str,
    preprocess: Preprocess,
    weights: Any,
    crops: jax.Array,
    widths: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Best class and space margin of every frame, and its features."""
    network: Any = RecognizerBody(spec, jnp.dtype(dtype))
    variables, head = weights
    inside = jnp.arange(crops.shape[2]) < widths[:, None]
    x = jnp.where(inside[:, None, :, None], normalize(crops, preprocess), 0.0)
    features = network.apply(variables, x)
    n, t, f = features.shape
    every = logits(head, features.reshape(n * t, f))
    best = best_class(every)
    margin = space_margin(every, best, head["space"])
    return best.reshape(n, t).astype(jnp.int32), margin.reshape(n, t), features


def _best_candidates_of_rows(count: int, head: Any, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Confidences and classes of the `count` best candidates of each row."""
    every = logits(head, rows)
    values, classes = best_classes(every, count)
    total = jnp.exp(every - values[:, :1]).sum(axis=-1, keepdims=True)
    return jnp.exp(values - values[:, :1]) / total, classes


def read_crops(
    crops: list[np.ndarray],
    net: RecognizerNet,
    max_width: int,
    num_candidates: int,
    batch_size: int = 0,
    pool: ThreadPoolExecutor | None = None,
) -> list[Reading]:
    """Reads upright line crops.

    Args:
        crops: [LINE_HEIGHT, w, 3] uint8 RGB each, w <= max_width.
        net: The recognizer.
        max_width: Largest compiled width.
        num_candidates: Candidates a character.
        batch_size: Crops a group; 0: chosen by width for the device.
        pool: Runs groups side by side, if given.

    Returns:
        One reading a crop, independent of the other crops.
    """
    groups = make_groups(crops, net, max_width, batch_size)
    run = functools.partial(run_group, crops, net)
    numbers = range(len(groups))
    outcomes = list(pool.map(run, groups, numbers) if pool else map(run, groups, numbers))
    runs: list[Runs] = [find_runs(np.zeros(0, np.int32))] * len(crops)
    rows: list[np.ndarray] = [np.zeros((0, 0), np.float32)] * len(crops)
    margins: list[np.ndarray] = [np.zeros(0, np.float32)] * len(crops)
    for (_, members), (best, margin, features) in zip(groups, outcomes, strict=True):
        for slot, crop in enumerate(members):
            frames = net.merged[best[slot]]
            margins[crop] = margin[slot]
            runs[crop] = find_runs(frames)
            rows[crop] = features[slot][frames != BLANK]
    classes, confidences = _best_candidates(net, rows, pool)
    names, values = _characters(runs, classes, confidences, net, num_candidates)
    readings, offset = [], 0
    for run_, margin in zip(runs, margins, strict=True):
        mine = slice(offset, offset + len(run_.label))
        text = tuple([net.characters[label] for label in run_.label.tolist()])
        readings.append(Reading(text, run_, tuple(names[mine]), tuple(values[mine]), margin))
        offset = mine.stop
    return readings


def make_groups(
    crops: list[np.ndarray], net: RecognizerNet, max_width: int, batch_size: int
) -> list[tuple[tuple[int, int], list[int]]]:
    """Groups of crops of one width: ((group size, width), crop indices)."""
    by_width: dict[int, list[int]] = {}
    for index, crop in enumerate(crops):
        width = line_width_bucket(crop.shape[1], net.least_width, max_width)
        by_width.setdefault(width, []).append(index)
    groups = []
    for width, members in sorted(by_width.items(), reverse=True):
        size = batch_size or group_size(width, net.platform)
        groups += [((size, width), members[i : i + size]) for i in range(0, len(members), size)]
    return groups


def group_size(width: int, platform: str) -> int:
    """Crops computed together at a width: few on a CPU (they stay in its caches)."""
    pixels = CPU_GROUP_PX if platform == "cpu" else ACCELERATOR_GROUP_PX
    return max(1, pixels // width)


def run_group(
    crops: list[np.ndarray],
    net: RecognizerNet,
    group: tuple[tuple[int, int], list[int]],
    number: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best classes, space margins and features of a group's crops; `number` chooses the device."""
    (size, width), members = group
    batch = np.zeros((size, LINE_HEIGHT, width, 3), np.uint8)
    widths = np.zeros(size, np.int32)
    for slot, index in enumerate(members):
        crop = crops[index]
        batch[slot, :, : crop.shape[1]] = crop
        widths[slot] = crop.shape[1]
    read = net.readers[number % len(net.readers)]
    best, margins, features = read(batch, widths)
    return np.asarray(best), np.asarray(margins), np.asarray(features)


def _best_candidates(
    net: RecognizerNet, rows: list[np.ndarray], pool: ThreadPoolExecutor | None
) -> tuple[np.ndarray, np.ndarray]:
    """Best classes and their probabilities of packed frames: [m, k] each."""
    packed = [r for r in rows if len(r)]
    if not packed:
        return np.zeros((0, 1), np.int32), np.zeros((0, 1), np.float32)
    features = np.concatenate(packed)
    size = candidate_rows(net.platform)
    blocks = [features[i : i + size] for i in range(0, len(features), size)]
    run = functools.partial(run_candidates, net)
    parts = list(pool.map(run, blocks) if pool else map(run, blocks))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def candidate_rows(platform: str) -> int:
    """Frames whose candidates are computed together."""
    return CANDIDATE_ROWS if platform == "cpu" else ACCELERATOR_CANDIDATE_ROWS


def run_candidates(net: RecognizerNet, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and confidences [m, k] of up to `candidate_rows` frames [m, f]."""
    count = len(rows)
    rows = np.pad(rows, ((0, candidate_rows(net.platform) - count), (0, 0)))
    confidences, classes = net.candidates(rows)
    return np.asarray(classes)[:count], np.asarray(confidences)[:count]


def _characters(
    runs: Sequence[Runs],
    classes: np.ndarray,
    confidences: np.ndarray,
    net: RecognizerNet,
    num_candidates: int,
) -> tuple[list[tuple[str, ...]], list[tuple[float, ...]]]:
    """Candidates of all crops' characters, from the surest frame of each, and their confidences.

    Args:
        runs: Of each crop.
        classes: [m, k] best classes of the frames that bear characters, of all crops.
        confidences: [m, k] theirs.
        net: The recognizer.
        num_candidates: Candidates a character.
    """
    lengths = np.concatenate([np.zeros(0, np.intp), *(r.stop - r.start for r in runs)])
    frames = first_maxima(confidences[:, 0], lengths)
    classes, confidences = classes[frames], confidences[frames]
    if np.array_equal(net.merged, np.arange(len(net.merged))):
        # No two classes are one: what there is but the blank is in order already.
        blank_last = np.argsort(classes == BLANK, axis=1, kind="stable")[:, :num_candidates]
        best = np.take_along_axis(classes, blank_last, axis=1)
        if not (best == BLANK).any():
            values = np.take_along_axis(confidences, blank_last, axis=1)
            names = np.array(net.characters, object)[best]
            return list(map(tuple, names.tolist())), list(map(tuple, values.tolist()))
    merged = [_merge(c, v, net, num_candidates) for c, v in zip(classes, confidences, strict=True)]
    return [names for names, _ in merged], [values for _, values in merged]


def _merge(
    classes: np.ndarray, confidences: np.ndarray, net: RecognizerNet, num_candidates: int
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Candidates of one frame after the mapping: classes decoded alike are added up."""
    total: dict[str, float] = {}
    for label, value in zip(net.merged[classes], confidences, strict=True):
        name = net.characters[label]
        if label != BLANK:
            total[name] = total.get(name, 0.0) + float(value)
    best = sorted(total.items(), key=lambda item: -item[1])[:num_candidates]
    return tuple(name for name, _ in best), tuple(value for _, value in best)
