from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import jax
import numpy as np
import pytest

from deepocr_jax.checkpoint import flat_items
from deepocr_jax.errors import UnknownParameterError, WeightsError
from deepocr_jax.models.registry import make_model, spec_from_dict
from deepocr_jax.preprocess import normalize
from deepocr_jax.weights import pretrained
from deepocr_jax.weights.model_cache import model_cache_dir
from deepocr_jax.weights.pretrained import GRAPHS, convert_graph, load_pretrained

pytestmark = [pytest.mark.pretrained]

DETECTION = "ppocrv6_small_detection"
RECOGNITION = "ppocrv6_small_recognition"
ORIENTATION = "ppocr_mobile_v2_orientation"


@pytest.fixture(scope="module")
def converted():
    """Models straight from their graphs, not from a cache that an older release may have left."""
    return {name: convert_graph(graph) for name, graph in GRAPHS.items()}


@pytest.fixture(scope="module")
def tensors():
    read = pretrained._graph_tensors
    return {name: read(pretrained._graph_bytes(graph)) for name, graph in GRAPHS.items()}


# --- the same numbers as the published graphs ---------------------------------------------------


def onnx_session(name):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    data = pretrained._graph_bytes(GRAPHS[name])
    return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def pictures(sample, count, height, width):
    """Different parts of the sample, scaled to a size."""
    parts = [sample[20 + 120 * i : 20 + 120 * i + height, 40 : 40 + width] for i in range(count)]
    return np.stack([cv2.resize(p, (width, height)) for p in parts])


def published(session, images):
    """RGB images through a graph, normalised as its publisher does it."""
    x = (images[..., ::-1].astype(np.float32) / 255 - 0.5) / 0.5
    (name,) = [i.name for i in session.get_inputs()]
    return session.run(None, {name: np.ascontiguousarray(x.transpose(0, 3, 1, 2))})[0]


def ours(model, images):
    network = make_model(model.kind, spec_from_dict(model.kind, model.spec))

    @jax.jit
    def run(variables, images):
        out = network.apply(variables, normalize(images, model.preprocess))
        return out if model.kind == "ocr_detection" else jax.nn.softmax(out)

    return np.asarray(run(model.variables, images))


def test_detector_agrees_with_the_graph(converted, sample):
    session = onnx_session(DETECTION)
    for count, height, width in ((1, 128, 320), (2, 96, 160), (1, 224, 64)):
        images = pictures(sample, count, height, width)
        expected = published(session, images)[:, 0]
        assert expected.max() > 0.5  # There is text to see.
        np.testing.assert_allclose(ours(converted[DETECTION], images), expected, atol=1e-4)


def test_recognizer_agrees_with_the_graph(converted, sample):
    session = onnx_session(RECOGNITION)
    for count, width in ((2, 320), (1, 160), (3, 200)):
        images = pictures(sample, count, 48, width)
        expected = published(session, images)
        assert (expected.argmax(axis=-1) > 0).any()
        np.testing.assert_allclose(ours(converted[RECOGNITION], images), expected, atol=1e-4)


def test_orientation_classifier_agrees_with_the_graph(converted, sample):
    session = onnx_session(ORIENTATION)
    lines = sample[36:100, 56:312], sample[352:384, 76:204]
    upright = np.stack([cv2.resize(line, (192, 48)) for line in lines])
    images = np.concatenate([upright, upright[:, ::-1, ::-1]])
    expected = published(session, images)
    np.testing.assert_allclose(ours(converted[ORIENTATION], images), expected, atol=1e-4)
    assert expected.argmax(axis=1).tolist() == [0, 0, 1, 1]


def test_alphabet_is_whole(converted):
    alphabet = converted[RECOGNITION].alphabet
    assert len(alphabet) == len(set(alphabet)) == 18_709
    assert all(len(c) == 1 for c in alphabet)
    assert (alphabet[0], alphabet[-1]) == ("!", " ")
    assert set("0123456789AZaz€äßñ中") <= set(alphabet)


def test_models_say_where_they_come_from(converted):
    for name, model in converted.items():
        assert model.license == "Apache-2.0"
        assert GRAPHS[name].file_name in model.source
        assert model.sha256 == GRAPHS[name].sha256


# --- every tensor is accounted for --------------------------------------------------------------


def one_less_at_the_end(tensors):
    return tensors[:-1]


def one_less_at_the_start(tensors):
    return tensors[1:]


def one_more_at_the_end(tensors):
    return [*tensors, ("Add", np.ones(3, np.float32))]


def one_twice(tensors):
    middle = len(tensors) // 2
    return [*tensors[:middle], tensors[middle], *tensors[middle:]]


def wider_first_kernel(tensors):
    op, kernel = tensors[0]
    return [(op, np.concatenate([kernel, kernel[:1]])), *tensors[1:]]


def longer_last_bias(tensors):
    op, bias = tensors[-1]
    return [*tensors[:-1], (op, np.append(bias, np.float32(0)))]


@pytest.mark.parametrize("name", list(GRAPHS))
@pytest.mark.parametrize(
    "edit",
    [
        one_less_at_the_end,
        one_less_at_the_start,
        one_more_at_the_end,
        one_twice,
        wider_first_kernel,
        longer_last_bias,
    ],
)
def test_graphs_with_other_tensors_are_refused(monkeypatch, tensors, name, edit):
    arrays, metadata = tensors[name]
    monkeypatch.setattr(pretrained, "_graph_bytes", lambda graph: b"")
    monkeypatch.setattr(pretrained, "_graph_tensors", lambda data: (edit(arrays), metadata))
    with pytest.raises(WeightsError, match=GRAPHS[name].file_name):
        convert_graph(GRAPHS[name])


def test_all_tensors_land_in_the_variables(converted, tensors):
    for name, (arrays, _) in tensors.items():
        kept = sum(a.size for _, a in flat_items(converted[name].variables))
        assert kept == sum(a.size for _, a in arrays)


# --- the package --------------------------------------------------------------------------------


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A stand-in for the installed package: a function that sets its folder, or None."""

    def install(folder):
        found = folder and SimpleNamespace(submodule_search_locations=[str(folder)])
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)

    return install


def test_missing_package_says_what_to_install(package):
    package(None)
    with pytest.raises(WeightsError, match=r"rapidocr.*pip install .*deepocr_jax\[pretrained\]"):
        convert_graph(GRAPHS[ORIENTATION])


def test_package_without_the_file_says_which_and_what_to_do(package, tmp_path):
    package(tmp_path)
    with pytest.raises(WeightsError, match=rf"{GRAPHS[ORIENTATION].file_name}.*install rapidocr"):
        convert_graph(GRAPHS[ORIENTATION])


def test_changed_weights_are_refused(package, tmp_path):
    graph = GRAPHS[ORIENTATION]
    data = bytearray(pretrained._graph_bytes(graph))
    data[len(data) // 2] ^= 1
    path = tmp_path / "models" / graph.file_name
    path.parent.mkdir()
    path.write_bytes(data)
    package(tmp_path)
    with pytest.raises(WeightsError, match=rf"{graph.file_name}.*SHA-256.*install rapidocr"):
        convert_graph(graph)


def test_wrong_checksum_is_refused():
    graph = replace(GRAPHS[ORIENTATION], sha256="0" * 64)
    with pytest.raises(WeightsError, match=graph.file_name):
        convert_graph(graph)


def test_missing_reader_of_graphs_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(WeightsError, match=r"'onnx'.*pip install"):
        convert_graph(GRAPHS[ORIENTATION])


def test_unknown_names_are_refused():
    with pytest.raises(UnknownParameterError, match=ORIENTATION):
        load_pretrained("ppocr_mobile_orientation")


# --- the cache ----------------------------------------------------------------------------------


def test_environment_chooses_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPOCR_CACHE", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "base"))
    assert model_cache_dir() == tmp_path / "chosen"
    monkeypatch.delenv("DEEPOCR_CACHE")
    assert model_cache_dir() == tmp_path / "base" / "deepocr_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert model_cache_dir() == Path(os.path.expanduser("~")) / ".cache" / "deepocr_jax"


def test_second_load_needs_no_graph(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPOCR_CACHE", str(tmp_path))
    first = load_pretrained(ORIENTATION)
    assert any((tmp_path / "models").iterdir())

    def fail(*_):
        raise AssertionError("converted again")

    monkeypatch.setattr(pretrained, "convert_graph", fail)
    monkeypatch.setattr(importlib.util, "find_spec", fail)
    monkeypatch.setitem(sys.modules, "onnx", None)
    second = load_pretrained(ORIENTATION)
    assert replace(second, variables={}) == replace(first, variables={})
    pairs = zip(flat_items(first.variables), flat_items(second.variables), strict=True)
    for (path, array), (other_path, other) in pairs:
        assert path == other_path
        np.testing.assert_array_equal(array, other)
