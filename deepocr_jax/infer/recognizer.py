"""A recognizer on its devices: groups of crops -> frames, frames -> candidates.

Two programs. The first runs once a group of crops of one width: body, head, best character of every
frame. The second runs over packed frames that bear a character, from all crops of the call: their
full softmax and best candidates. So nobody normalises 18,710 classes of a blank frame, and the
crop's neighbours in a batch do not matter.

The network can also look at its crops shrunk to two thirds, as a draft: at less than half the work
it reads clear words as well, and knows when it does not.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.infer.buckets import line_width_bucket
from deepocr_jax.infer.compiled import Program
from deepocr_jax.infer.head import (
    best_character,
    best_classes,
    logits,
    odds,
    sliced_head,
    space_margin,
)
from deepocr_jax.infer.programs import Device, with_fast_products
from deepocr_jax.models.recognizer import RecognizerBody
from deepocr_jax.models.registry import spec_from_dict
from deepocr_jax.preprocess import Preprocess, normalize, two_thirds
from deepocr_jax.text.ctc import BLANK

LINE_HEIGHT = 48
# Columns of a crop that a frame stands for; a draft's are those of crops shrunk to two thirds.
FRAME_PX, DRAFT_FRAME_PX = 8, 12
DRAFT_LEAST_WIDTH = 96
# Frames whose candidates are computed together. A CPU keeps their logits in its caches; of an
# accelerator each call takes the host as long as some hundred frames.
CANDIDATE_ROWS, ACCELERATOR_CANDIDATE_ROWS = 64, 2048
# What a group leaves empty costs as much as what it reads; fewer frames would cost more each.
CPU_GROUP_FRAMES = 80
ACCELERATOR_GROUP_PX = 64 * 320


@dataclass(frozen=True)
class RecognizerNet:
    """A recognizer ready to run.

    Attributes:
        platform: Of its devices.
        readers: One a device: (crops, widths) -> `Frames` as a tuple.
        candidates: Rows of features -> (classes, confidences) of the best k.
        characters: Class -> character; class 0, the blank, is "".
        merged: Class -> the class that it is decoded as.
        features: Width of a frame's features.
        least_width: The narrowest canvas, in columns.
        frame_px: Columns of a crop that a frame stands for.
        draft: The same network that looks at its crops shrunk; None: there is none.
    """

    platform: str
    readers: tuple[Program, ...]
    candidates: Program
    characters: tuple[str, ...]
    merged: np.ndarray
    features: int
    least_width: int
    frame_px: int
    draft: "RecognizerNet | None" = None


class Frames(NamedTuple):
    """What is seen in a group of crops.

    Attributes:
        best: [n, t] best class of each frame but the blank.
        margins: [n, t] how far it is above the blank, in logits; the blank is best where it is not.
        space_margins: [n, t] how far the space is from the best class, in logits.
        features: [n, t, f].
    """

    best: np.ndarray
    margins: np.ndarray
    space_margins: np.ndarray
    features: np.ndarray


def make_recognizer_net(
    model: ModelCheckpoint,
    devices: tuple[Device, ...],
    columns: np.ndarray,
    mapping: np.ndarray | None = None,
    num_candidates: int = 3,
    dtype: str = "float32",
    draft: bool = False,
) -> RecognizerNet:
    """Puts a recognizer onto its devices, its head cut to an alphabet.

    Args:
        model: The recognizer.
        devices: One or more of one platform.
        columns: [c] classes to keep, the blank (0) first.
        mapping: [c] for each kept class the class that it is decoded as; 0: never decoded.
        num_candidates: Candidates a character.
        dtype: Compute type.
        draft: Whether there is a draft.
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
    weights = [jax.device_put((body, head), device) for device in devices]

    def readers(frame_px: int) -> tuple[Program, ...]:
        told = spec.body_only(), dtype, model.preprocess, frame_px
        read, name = functools.partial(_frames, *told), repr(["recognizer", *told])
        return tuple(
            Program(read, w, device, name) for w, device in zip(weights, devices, strict=True)
        )

    net = RecognizerNet(
        platform=platform,
        readers=readers(FRAME_PX),
        candidates=Program(
            functools.partial(_best_candidates_of_rows, count),
            weights[0][1],
            devices[0],
            f"best {count}",
        ),
        characters=characters,
        merged=merged,
        features=spec.neck_features,
        least_width=spec.least_width,
        frame_px=FRAME_PX,
    )
    if not draft:
        return net
    least = min(spec.least_width, DRAFT_LEAST_WIDTH)
    shrunk = replace(
        net, readers=readers(DRAFT_FRAME_PX), frame_px=DRAFT_FRAME_PX, least_width=least
    )
    return replace(net, draft=shrunk)


def _frames(
    spec: Any,
    dtype: str,
    preprocess: Preprocess,
    frame_px: int,
    weights: Any,
    crops: jax.Array,
    widths: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """`Frames` of [n, LINE_HEIGHT, w, 3] uint8 crops, which are `widths` [n] wide."""
    network: Any = RecognizerBody(spec, jnp.dtype(dtype))
    variables, head = weights
    inside = jnp.arange(crops.shape[2]) < widths[:, None]
    x = jnp.where(inside[:, None, :, None], normalize(crops, preprocess), 0.0)
    if frame_px == DRAFT_FRAME_PX:
        # Filled up to whole frames.
        x = two_thirds(jnp.pad(x, ((0, 0), (0, 0), (0, -x.shape[2] % DRAFT_FRAME_PX), (0, 0))))
    features = network.apply(variables, x)
    n, t, f = features.shape
    every = logits(head, features.reshape(n * t, f))
    best, margin = best_character(every)
    space = space_margin(every, best, head["space"])
    return (
        best.reshape(n, t).astype(jnp.int32),
        margin.reshape(n, t),
        space.reshape(n, t),
        features,
    )


def _best_candidates_of_rows(count: int, head: Any, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Confidences and classes of the `count` best candidates of each row."""
    every = logits(head, rows)
    values, classes = best_classes(every, count)
    blank = logits({name: head[name][..., :1] for name in ("kernel", "bias")}, rows)
    total = odds(every, blank).sum(axis=-1, keepdims=True)
    return odds(values, blank) / total, classes


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
        size = batch_size or group_size(width, net.platform, net.frame_px)
        groups += [((size, width), members[i : i + size]) for i in range(0, len(members), size)]
    return groups


def group_size(width: int, platform: str, frame_px: int = FRAME_PX) -> int:
    """Crops computed together at a width: few on a CPU (they stay in its caches).

    Nothing else decides, so that what is read in a crop does not depend on its neighbours: to
    another size belongs another program, which rounds otherwise.
    """
    pixels = CPU_GROUP_FRAMES * frame_px if platform == "cpu" else ACCELERATOR_GROUP_PX
    return max(1, pixels // width)


def run_group(
    crops: list[np.ndarray],
    net: RecognizerNet,
    group: tuple[tuple[int, int], list[int]],
    number: int,
) -> Frames:
    """What is seen in a group's crops; `number` chooses the device."""
    (size, width), members = group
    batch = np.zeros((size, LINE_HEIGHT, width, 3), np.uint8)
    widths = np.zeros(size, np.int32)
    for slot, index in enumerate(members):
        crop = crops[index]
        batch[slot, :, : crop.shape[1]] = crop
        widths[slot] = crop.shape[1]
    read = net.readers[number % len(net.readers)]
    return Frames(*map(np.asarray, read(batch, widths)))


def candidate_rows(platform: str) -> int:
    """Frames whose candidates are computed together."""
    return CANDIDATE_ROWS if platform == "cpu" else ACCELERATOR_CANDIDATE_ROWS


def run_candidates(net: RecognizerNet, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and confidences [m, k] of up to `candidate_rows` frames [m, f]."""
    count = len(rows)
    rows = np.pad(rows, ((0, candidate_rows(net.platform) - count), (0, 0)))
    confidences, classes = net.candidates(rows)
    return np.asarray(classes)[:count], np.asarray(confidences)[:count]
