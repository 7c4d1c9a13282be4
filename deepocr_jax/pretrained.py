"""Published weights -> parameter trees, kept as checkpoints in a cache folder.

The weights come from inside the installed package `rapidocr` (PP-OCRv6 small and the PP-OCR
line-orientation classifier, Apache-2.0), never from the network. Each graph is verified by its
SHA-256, every tensor in it is accounted for, and the result is written once as a checkpoint that
later starts read without the graph or its reader.
"""

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint, Preprocess, read_checkpoint, write_checkpoint
from deepocr_jax.errors import UnknownParameterError, WeightsError
from deepocr_jax.models.registry import (
    DETECTORS,
    KINDS,
    ORIENTATIONS,
    RECOGNIZERS,
    make_model,
    spec_to_dict,
)

Params = dict[str, Any]


@dataclass(frozen=True)
class PublishedGraph:
    """Where a published graph lies in its package, and what it becomes."""

    kind: str
    architecture: str
    file_name: str
    sha256: str
    input_shape: tuple[int, int, int, int]
    source: str


PPOCR_V6 = "PaddleOCR PP-OCRv6 small, as packaged in rapidocr"
GRAPHS: dict[str, PublishedGraph] = {
    "ppocrv6_small_detection": PublishedGraph(
        "ocr_detection",
        "ppocrv6_small",
        "PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        (1, 64, 64, 3),
        PPOCR_V6,
    ),
    "ppocrv6_small_recognition": PublishedGraph(
        "ocr_recognition",
        "ppocrv6_small",
        "PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        (1, 48, 64, 3),
        PPOCR_V6,
    ),
    "ppocr_mobile_v2_orientation": PublishedGraph(
        "ocr_orientation",
        "ppocr_mobile_v2",
        "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        (1, 48, 192, 3),
        "PaddleOCR ch_ppocr_mobile_v2.0_cls, as packaged in rapidocr",
    ),
}
LICENSE = "Apache-2.0"
PREPROCESS = Preprocess(mean=127.5, deviation=127.5, channel_order="bgr")


def model_cache_dir() -> Path:
    """The folder that keeps converted weights and compiled programs.

    `DEEPOCR_CACHE` if set, else `deepocr_jax` under `XDG_CACHE_HOME` or `~/.cache`.
    """
    chosen = os.environ.get("DEEPOCR_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "deepocr_jax"


def load_pretrained(name: str, cache_dir: Path | None = None) -> ModelCheckpoint:
    """The published model `name`, converted at the first call and read from the cache after it.

    Args:
        name: A key of `GRAPHS`.
        cache_dir: Folder of the cache; `model_cache_dir()` unless given.

    Raises:
        UnknownParameterError: No such model.
        WeightsError: The package with the weights is missing or holds other files.
    """
    if name not in GRAPHS:
        raise UnknownParameterError(name, sorted(GRAPHS))
    graph = GRAPHS[name]
    folder = (cache_dir or model_cache_dir()) / "models" / f"{name}-{graph.sha256[:12]}"
    if not folder.exists():
        # Atomic: written beside its place and renamed; of two processes the first one wins.
        write_checkpoint(folder, convert_graph(graph), exist_ok=True)
    return read_checkpoint(folder)


def convert_graph(graph: PublishedGraph) -> ModelCheckpoint:
    """Reads a published graph out of its package and turns it into a checkpoint in memory."""
    data = _graph_bytes(graph)
    tensors, metadata = _graph_tensors(data)
    model = make_model(graph.kind, graph.architecture)
    variables = _variables(graph, model, tensors)
    alphabet: tuple[str, ...] = ()
    if graph.kind == "ocr_recognition":
        alphabet = (
            *metadata["character"].split("\n")[: RECOGNIZERS[graph.architecture].num_classes - 2],
            " ",
        )
    return ModelCheckpoint(
        kind=graph.kind,
        spec=spec_to_dict(KINDS[graph.kind][0][graph.architecture]),
        variables=variables,
        preprocess=PREPROCESS,
        alphabet=alphabet,
        license=LICENSE,
        source=f"{graph.source}: {graph.file_name}",
        sha256=graph.sha256,
    )


def _graph_bytes(graph: PublishedGraph) -> bytes:
    found = importlib.util.find_spec("rapidocr")
    if found is None or not found.submodule_search_locations:
        raise WeightsError(
            "the pretrained weights come from the package 'rapidocr', which is not installed; "
            'run: pip install "deepocr_jax[pretrained]"'
        )
    path = Path(found.submodule_search_locations[0]) / "models" / graph.file_name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the installed rapidocr has no {graph.file_name} ({error.strerror}); "
            "install rapidocr>=3.9.2, whose wheel carries it"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != graph.sha256:
        raise WeightsError(
            f"{graph.file_name} has SHA-256 {digest}, expected {graph.sha256}: the installed "
            "rapidocr carries other weights than those that were checked; install rapidocr>=3.9.2,<4"
        )
    return data


Tensors = Iterator[tuple[str, np.ndarray]]


def _graph_tensors(data: bytes) -> tuple[list[tuple[str, np.ndarray]], dict[str, str]]:
    """The weights of a graph as (operator, array) in the order of its nodes, and its metadata."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsError(
            "converting the published weights needs the package 'onnx' once; "
            'run: pip install "deepocr_jax[pretrained]"'
        ) from error
    model = onnx.load_from_string(data)
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_node_attr_value(node, "value")
            arrays[node.output[0]] = numpy_helper.to_array(value)
    tensors = []
    for node in model.graph.node:
        for name in node.input:
            array = arrays.get(name)
            if array is not None and _is_weight(node.op_type, array):
                tensors.append((node.op_type, array))
    return tensors, {p.key: p.value for p in model.metadata_props}


def _is_weight(op_type: str, array: np.ndarray) -> bool:
    """Whether a constant is learned: not a shape, a resize factor or a scalar of a formula."""
    if array.dtype != np.float32 or op_type == "Resize":
        return False
    return array.ndim == 4 or array.size > 1


def _variables(graph: PublishedGraph, model: Any, tensors: list[tuple[str, np.ndarray]]) -> Params:
    """Fills the model's variables with the tensors, in the order in which both are computed."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros(graph.input_shape, np.float32))
    paths = LAYER_ORDER[graph.kind](graph.architecture)
    source = iter(tensors)
    variables: Params = {}
    for path, leaves in paths:
        for collection, leaf, convert in leaves:
            op_type, array = next(source, ("", np.zeros(0)))
            value = convert(array) if array.size else array
            want = _lookup(shapes, (collection, *path, leaf))
            if want is None or want.shape != value.shape:
                raise WeightsError(
                    f"{graph.file_name}: tensor {op_type}{array.shape} does not fit "
                    f"{'/'.join((collection, *path, leaf))} {getattr(want, 'shape', None)}"
                )
            _insert(variables, (collection, *path, leaf), np.ascontiguousarray(value, np.float32))
    left = list(source)
    if left:
        raise WeightsError(f"{graph.file_name}: {len(left)} tensors belong to no layer")
    if jax.tree.structure(variables) != jax.tree.structure(shapes):
        raise WeightsError(f"{graph.file_name}: some parameters of the model got no tensor")
    return variables


def _lookup(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree.get(key) if hasattr(tree, "get") else None
    return tree


def _insert(tree: Params, path: tuple[str, ...], value: np.ndarray) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


# --- the order of the layers ------------------------------------------------------------------
# A layer is (path, its leaves in the graph's order); a leaf is (collection, name, conversion).

Leaf = tuple[str, str, Callable[[np.ndarray], np.ndarray]]
Layer = tuple[tuple[str, ...], tuple[Leaf, ...]]

BIAS: Leaf = ("params", "bias", np.ravel)
OIHW_TO_HWIO: Leaf = ("params", "kernel", lambda a: a.transpose(2, 3, 1, 0))
OI_TO_IO: Leaf = ("params", "kernel", lambda a: a.reshape(a.shape[:2]).T)
CHW_TO_HWC: Leaf = ("params", "kernel", lambda a: a[:, 0].transpose(1, 2, 0))
IO: Leaf = ("params", "kernel", np.asarray)
# A transposed 2x2 convolution [in, out, 2, 2] as a product: columns run over (row, column, out).
TRANSPOSED: Leaf = (
    "params",
    "kernel",
    lambda a: a.transpose(0, 2, 3, 1).reshape(a.shape[0], -1),
)
NORM: tuple[Leaf, ...] = (
    ("params", "scale", np.ravel),
    BIAS,
    ("batch_stats", "mean", np.ravel),
    ("batch_stats", "var", np.ravel),
)
SCALE_BIAS: tuple[Leaf, ...] = (("params", "scale", np.ravel), BIAS)


def _conv(*path: str, bias: bool = True) -> Layer:
    return (*path, "Conv_0"), (OIHW_TO_HWIO, BIAS) if bias else (OIHW_TO_HWIO,)


def _pointwise(*path: str, bias: bool = True) -> Layer:
    return (*path, "Dense_0"), (OI_TO_IO, BIAS) if bias else (OI_TO_IO,)


def _depthwise(*path: str, bias: bool = True) -> Layer:
    return path, (CHW_TO_HWC, BIAS) if bias else (CHW_TO_HWC,)


def _batch_norm(*path: str) -> Layer:
    return (*path, "BatchNorm_0"), NORM


def _gate(*path: str) -> list[Layer]:
    return [_pointwise(*path, "Pointwise_0"), _pointwise(*path, "Pointwise_1")]


def _lcnet_layers(spec: Any, *path: str) -> Iterator[Layer]:
    for i in range(4):
        yield _conv(*path, "Stem_0", f"Conv_{i}")
    yield _pointwise(*path, "Stem_0", "Pointwise_0")
    for index, block in enumerate(b for stage in spec.stages for b in stage):
        here = (*path, f"Block_{index}")
        yield _depthwise(*here, "Depthwise_0")
        if block.squeeze:
            yield from _gate(*here, "SqueezeExcite_0")
        yield _pointwise(*here, "Pointwise_0")
        yield _pointwise(*here, "Pointwise_1")


def _detector_layers(architecture: str) -> Iterator[Layer]:
    spec = DETECTORS[architecture]
    yield from _lcnet_layers(spec.backbone, "LCNet_0")
    neck, levels = "RepLKFPN_0", len(spec.backbone.stages)
    for i in range(levels):
        yield _pointwise(neck, f"Pointwise_{i}", bias=False)
        yield from _gate(neck, f"SqueezeExcite_{i}")
    for i in range(levels):
        yield _depthwise(neck, f"Depthwise_{i}")
        yield _pointwise(neck, f"Pointwise_{levels + i}", bias=False)
        yield from _gate(neck, f"SqueezeExcite_{levels + i}")
    head = "DBHead_0"
    yield _conv(head, "Conv_0")
    yield (head, "Pointwise_0", "Dense_0"), (TRANSPOSED,)
    yield (head,), (("params", "up_bias", np.ravel),)
    yield (head, "Pointwise_1", "Dense_0"), (TRANSPOSED,)
    yield (head,), (("params", "out_bias", np.ravel),)


def _recognizer_layers(architecture: str) -> Iterator[Layer]:
    spec = RECOGNIZERS[architecture]
    yield from _lcnet_layers(spec.backbone, "body", "LCNet_0")
    neck = ("body", "AttentionNeck_0")
    for i in (0, 1):
        yield _pointwise(*neck, f"PointwiseNormSwish_{i}", "Pointwise_0", bias=False)
        yield _batch_norm(*neck, f"PointwiseNormSwish_{i}", "BatchNorm_0")
    yield _depthwise(*neck, "Depthwise_0", bias=False)
    yield _batch_norm(*neck, "BatchNorm_0")
    dense = (IO, BIAS)
    for i in range(spec.neck_depth):
        block = (*neck, f"AttentionBlock_{i}")
        yield (*block, "LayerNorm_0"), SCALE_BIAS
        yield (*block, "Attention_0", "Dense_0"), dense
        yield (*block, "Attention_0", "Dense_1"), dense
        yield (*block, "LayerNorm_1"), SCALE_BIAS
        yield (*block, "Dense_0"), dense
        yield (*block, "Dense_1"), dense
    yield (*neck, "LayerNorm_0"), SCALE_BIAS
    yield ("head",), dense


def _orientation_layers(architecture: str) -> Iterator[Layer]:
    spec = ORIENTATIONS[architecture]
    yield _conv("Conv_0", bias=False)
    yield _batch_norm("BatchNorm_0")
    for index, block in enumerate(spec.blocks):
        here = f"InvertedResidual_{index}"
        yield _pointwise(here, "Pointwise_0", bias=False)
        yield _batch_norm(here, "BatchNorm_0")
        yield _depthwise(here, "Depthwise_0", bias=False)
        yield _batch_norm(here, "BatchNorm_1")
        if block.squeeze:
            yield from _gate(here, "SqueezeExcite_0")
        yield _pointwise(here, "Pointwise_1", bias=False)
        yield _batch_norm(here, "BatchNorm_2")
    yield _pointwise("Pointwise_0", bias=False)
    yield _batch_norm("BatchNorm_1")
    yield ("Dense_0",), (IO, BIAS)


LAYER_ORDER: dict[str, Callable[[str], Iterator[Layer]]] = {
    "ocr_detection": _detector_layers,
    "ocr_recognition": _recognizer_layers,
    "ocr_orientation": _orientation_layers,
}
