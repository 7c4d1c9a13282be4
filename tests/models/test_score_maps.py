from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deepocr_jax.checkpoint import flat_items, read_checkpoint, write_checkpoint
from deepocr_jax.models.registry import detector_spec, make_model
from deepocr_jax.models.score_maps import (
    PRIOR_SCORE,
    SHARED_PARTS,
    score_map_spec,
    to_score_maps,
)
from deepocr_jax.train.score_map_task import KIND, begin_score_maps
from deepocr_jax.weights.pretrained import load_pretrained

TINY = detector_spec(8, (1, 1, 1, 1), 16)


@pytest.fixture(scope="module")
def begun(tiny_detector):
    return begin_score_maps(tiny_detector)


def neck_output(kind, spec, variables, x):
    """What a network's neck gives: its levels, one after the other."""
    network = make_model(kind, spec)

    def apply(variables, x):
        def is_neck(module, _):
            return module.name == "RepLKFPN_0"

        found = network.apply(variables, x, capture_intermediates=is_neck)[1]
        return found["intermediates"]["RepLKFPN_0"]["__call__"][0]

    return np.concatenate([np.ravel(level) for level in jax.jit(apply)(variables, x)])


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (1024, 704)])
@pytest.mark.parametrize("spec", ["ppocrv6_small", score_map_spec(TINY)])
def test_four_maps_at_half_of_the_resolution(spec, size):
    network = make_model(KIND, spec)
    x = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    variables = jax.eval_shape(network.init, jax.random.key(0), x)
    out = jax.eval_shape(network.apply, variables, x)
    assert (out.shape, out.dtype) == ((2, size[0] // 2, size[1] // 2, 4), jnp.float32)


def test_the_beginning_has_the_detectors_backbone_and_neck(tiny_detector, begun):
    x = np.random.default_rng(0).standard_normal((1, 64, 64, 3)).astype(np.float32)
    expected = neck_output("ocr_detection", TINY, tiny_detector.variables, x)
    actual = neck_output(KIND, score_map_spec(TINY), begun.variables, x)
    assert expected.std() > 0
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * expected.std())


def test_the_beginning_finds_nothing_and_reads_to_the_right(begun):
    images = np.random.default_rng(1).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    network = make_model(KIND, score_map_spec(TINY))
    maps = np.asarray(to_score_maps(jax.jit(network.apply)(begun.variables, 0.02 * images)))
    np.testing.assert_allclose(maps[..., :2], PRIOR_SCORE, atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(maps[..., 2:], axis=-1), 1, atol=1e-4)
    assert maps[..., 3].min() > 0.9


def test_the_beginning_is_described_anew(tiny_detector):
    described = replace(tiny_detector, meta_data={"steps": "9"}, sha256="0")
    begun = begin_score_maps(described)
    assert begun.meta_data == {} and begun.sha256 == "" and begun.license == described.license
    assert begun.source == f"{described.source}, with a fresh head of score maps"


def test_checkpoints_keep_all(begun, tmp_path):
    write_checkpoint(tmp_path / "model", begun)
    read = read_checkpoint(tmp_path / "model")
    assert (read.kind, read.spec, read.preprocess) == (KIND, begun.spec, begun.preprocess)
    pairs = zip(flat_items(read.variables), flat_items(begun.variables), strict=True)
    for (path, actual), (other, expected) in pairs:
        assert path == other
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.pretrained
def test_the_published_detector_is_the_beginning():
    detector = load_pretrained("ppocrv6_small_detection")
    begun = begin_score_maps(detector)
    params = begun.variables["params"]
    assert set(params) == {*SHARED_PARTS, "ScoreMapHead_0"}
    for part in SHARED_PARTS:
        expected = dict(flat_items(detector.variables["params"][part]))
        for path, value in flat_items(params[part]):
            np.testing.assert_array_equal(value, expected[path])
    assert begun.license == detector.license and begun.sha256 == ""
