from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest


def share_caches():
    """Weights and programs are made once a run: workers and other processes inherit the places.

    Called before JAX is imported, which reads its own from the environment. DEEPOCR_CACHE keeps
    them from run to run.
    """
    if "DEEPOCR_CACHE" not in os.environ:
        folder = os.environ["DEEPOCR_CACHE"] = tempfile.mkdtemp(prefix="deepocr-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    programs = os.path.join(os.environ["DEEPOCR_CACHE"], "xla")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", programs)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


share_caches()

import jax  # noqa: E402

import deepocr_jax  # noqa: E402
from deepocr_jax.infer import programs  # noqa: E402


def compile_quickly():
    """What trains tiny networks for a moment is compiled in half the time, inference as ever.

    Compiling was half of what the suite took.
    """
    users = programs.wanted_options
    full = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
    jax.config.update("jax_disable_most_optimizations", True)
    programs.wanted_options = lambda platform: users(platform) | (full if platform == "cpu" else {})


compile_quickly()

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = Path(deepocr_jax.__file__).parent / "assets" / "sample.png"
TINY_ALPHABET = tuple("0123456789ABCDEFO ")
# One set of shapes for the whole suite, so that few programs are compiled.
SMALL = {"detection_image_size": (512, 512), "recognition_image_width": 320}
SMALL_SETTINGS = (
    "--set=detection_image_width=512",
    "--set=detection_image_height=512",
    "--set=recognition_image_width=320",
)


def pytest_collection_modifyitems(items):
    absent = [n for n in ("rapidocr", "onnx") if importlib.util.find_spec(n) is None]
    if not absent:
        return
    reason = f'not installed: {", ".join(absent)}; run: pip install "deepocr_jax[pretrained]"'
    for item in items:
        if item.get_closest_marker("pretrained"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module", autouse=True)
def few_mappings():
    """Gives compiled programs back before the process has all the memory mappings it may have."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 45_000:
        from deepocr_jax.infer.compiled import forget_programs

        forget_programs()
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def shared_handle():
    return deepocr_jax.create_deep_ocr(**SMALL)


@pytest.fixture
def handle(shared_handle):
    """A pretrained handle of one's own, to set as one likes; networks are shared, not changed."""
    return deepocr_jax.DeepOCR(shared_handle.state)


@pytest.fixture(scope="session")
def sample():
    image = deepocr_jax.read_image(SAMPLE)
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def sample_words():
    """The words on the sample, as often as they stand there, without the small print."""
    spec = importlib.util.spec_from_file_location("drawn", ROOT / "tools" / "draw_sample.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    texts = ["DELIVERY NOTE", "No. 58213", "RECEIVED", *tool._SENDER, *tool._RECEIVER]
    texts += [*tool._COLUMNS, *(cell for row in tool._ROWS for cell in row), *tool._SUM]
    return Counter(" ".join(texts).split())


@pytest.fixture(scope="session")
def sample_result(shared_handle, sample):
    return deepocr_jax.apply_deep_ocr(sample, shared_handle)


def random_model(kind, spec, shape, alphabet=()):
    from deepocr_jax.checkpoint import ModelCheckpoint
    from deepocr_jax.models.registry import make_model, spec_to_dict

    rng = np.random.default_rng(0)

    def draw(path, leaf):
        name = path[-1].key
        if name == "kernel":
            scale = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            return (scale * rng.standard_normal(leaf.shape)).astype(np.float32)
        return np.full(leaf.shape, name in ("scale", "var"), np.float32)

    # Drawn here, since compiling the networks' own initialization takes seconds.
    shapes = jax.eval_shape(make_model(kind, spec).init, jax.random.key(0), np.zeros(shape))
    variables = jax.tree_util.tree_map_with_path(draw, shapes)
    return ModelCheckpoint(kind, spec_to_dict(spec), variables, alphabet=alphabet)


@pytest.fixture(scope="session")
def tiny_detector():
    from deepocr_jax.models.registry import detector_spec

    return random_model("ocr_detection", detector_spec(8, (1, 1, 1, 1), 16), (1, 64, 64, 3))


@pytest.fixture(scope="session")
def tiny_word_detector():
    from deepocr_jax.models.registry import SCORE_MAP_KIND, detector_spec
    from deepocr_jax.models.score_maps import score_map_spec

    spec = score_map_spec(detector_spec(8, (1, 1, 1, 1), 16))
    return random_model(SCORE_MAP_KIND, spec, (1, 64, 64, 3))


@pytest.fixture(scope="session")
def shallow_detector():
    """As few layers as there can be, since compiling their gradients takes the longest."""
    from dataclasses import replace

    from deepocr_jax.models.registry import detector_spec

    spec = replace(detector_spec(16, (0, 0, 0, 0), 32), neck_kernel_size=3)
    return random_model("ocr_detection", spec, (1, 64, 64, 3))


def calmed(detector):
    """A detector with activations near 1, unsure of everything, so that it can learn at once."""
    from dataclasses import replace

    params = jax.tree.map(np.array, detector.variables["params"])
    for level, factor in enumerate((0.01, 0.02, 0.2, 0.3)):
        params["RepLKFPN_0"][f"Pointwise_{level}"]["Dense_0"]["kernel"] *= factor
    params["DBHead_0"]["Pointwise_1"]["Dense_0"]["kernel"] *= 0.1
    params["DBHead_0"]["out_bias"] -= 2
    return replace(detector, variables={"params": params})


@pytest.fixture(scope="session")
def calm_detector(shallow_detector):
    return calmed(shallow_detector)


@pytest.fixture(scope="session")
def tiny_recognizer():
    """Of every kind of layer one or two, since compiling its gradients takes the longest."""
    from deepocr_jax.models.lcnet import BlockSpec, LCNetSpec
    from deepocr_jax.models.recognizer import RecognizerSpec

    stages = ((BlockSpec(32, (2, 1)),), (BlockSpec(64, (2, 1)), BlockSpec(64, squeeze=True)))
    spec = RecognizerSpec(LCNetSpec(8, stages), 16, len(TINY_ALPHABET) + 1, neck_depth=1)
    return random_model("ocr_recognition", spec, (1, 48, 64, 3), TINY_ALPHABET)


@pytest.fixture(scope="session")
def tiny_state(tiny_detector, tiny_recognizer):
    from deepocr_jax.parameters import Parameters
    from deepocr_jax.reader.handle import make_handle

    return make_handle(Parameters(), tiny_detector, tiny_recognizer, None).state


@pytest.fixture
def tiny_handle(tiny_state):
    """A handle with both components and random weights, with the parameters' defaults."""
    return deepocr_jax.DeepOCR(tiny_state)


@pytest.fixture
def compilations():
    """Counts programs that were traced, compiled, or read from the compilation cache."""
    import jax.monitoring as monitoring

    counted = Counter()

    def listen(event, duration, **_):
        if event.startswith("/jax/core/compile/"):
            counted[event.rsplit("/", 1)[1]] += 1

    monitoring.register_event_duration_secs_listener(listen)
    yield counted
    monitoring.unregister_event_duration_listener(listen)
