"""Published weights -> parameter trees, kept in a cache folder.

The weights come from inside the installed package `rapidocr` (PP-OCRv6 small and the PP-OCR
line-orientation classifier, Apache-2.0), never from the network. Each graph is verified by its
SHA-256, every tensor in it is accounted for, and the result is written once into a cache that
later starts read without the graph or its reader.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deepocr_jax.checkpoint import ModelCheckpoint
from deepocr_jax.errors import UnknownParameterError, WeightsError
from deepocr_jax.models.registry import (
    KINDS,
    RECOGNIZERS,
    make_model,
    spec_to_dict,
)
from deepocr_jax.preprocess import Preprocess
from deepocr_jax.weights.model_cache import through_cache
from deepocr_jax.weights.pretrained_layers import LAYER_ORDER

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
    return through_cache(name, graph.sha256, lambda: convert_graph(graph), cache_dir)


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
            "rapidocr carries other weights than those checked; install rapidocr>=3.9.2,<4"
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
            value = _converted(convert, array)
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


def _converted(convert: Callable[[np.ndarray], np.ndarray], array: np.ndarray) -> np.ndarray:
    """The array in the model's layout; as it is where its rank does not allow that."""
    try:
        return convert(array)
    except (ValueError, IndexError):
        return array


def _lookup(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree.get(key) if hasattr(tree, "get") else None
    return tree


def _insert(tree: Params, path: tuple[str, ...], value: np.ndarray) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value
