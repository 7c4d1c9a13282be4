"""Groups of the sizes that accelerators take give what those of a CPU give."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deepocr_jax.infer.long_lines import read_crops
from deepocr_jax.infer.orientation import OrientationNet, turned_probability
from deepocr_jax.infer.readings import RecognitionSettings
from deepocr_jax.infer.recognizer import candidate_rows, group_size, make_groups
from deepocr_jax.parameters import Parameters
from deepocr_jax.reader.handle import make_handle


@pytest.mark.slow
def test_crops_are_read_alike(tiny_recognizer):
    net = make_handle(Parameters(), None, tiny_recognizer, None).state.nets.recognizer
    rng = np.random.default_rng(0)
    crops = [rng.integers(0, 256, (48, w, 3), np.uint8) for w in (30, 160, 90, 300, 200)]
    on_cpu, on_gpu = (
        read_crops(crops, replace(net, platform=p), RecognitionSettings(max_width=320))
        for p in ("cpu", "gpu")
    )
    assert group_size(320, "gpu") > group_size(320, "cpu")
    assert candidate_rows("gpu") > candidate_rows("cpu")
    assert any(reading.text for reading in on_cpu)
    for one, other in zip(on_cpu, on_gpu, strict=True):
        assert other.text == one.text and other.candidates == one.candidates
        for mine, theirs in zip(one.confidences, other.confidences, strict=True):
            assert theirs == pytest.approx(mine, abs=1e-5)


@pytest.mark.parametrize(("platform", "group"), [("cpu", 8), ("gpu", 64)])
def test_crops_are_judged_in_groups_of_one_size(platform, group):
    shapes = []

    def program(crops, widths):
        shapes.append(crops.shape)
        return crops[:, 0, 0, 0] / 255

    program.device = SimpleNamespace(platform=platform)
    crops = [np.full((48, 20, 3), gray, np.uint8) for gray in range(100)]
    net = OrientationNet(program)  # type: ignore[arg-type]
    found = turned_probability(crops, net)
    np.testing.assert_allclose(found, np.arange(100) / 255)
    assert set(shapes) == {(group, 48, 192, 3)} and len(shapes) == -(-100 // group)


@pytest.mark.parametrize(
    ("platform", "width", "count", "batch_size", "expected"),
    [
        ("cpu", 160, 8, 0, [4, 4]),
        ("cpu", 160, 9, 0, [4, 4, 4]),
        ("cpu", 320, 5, 0, [2, 2, 2]),
        ("cpu", 352, 3, 0, [1, 1, 1]),
        ("gpu", 320, 3, 0, [64]),
        ("cpu", 160, 5, 3, [3, 3]),
    ],
)
def test_sizes_of_groups(tiny_recognizer, platform, width, count, batch_size, expected):
    net = make_handle(Parameters(), None, tiny_recognizer, None).state.nets.recognizer
    crops = [np.zeros((48, width, 3), np.uint8)] * count
    groups = make_groups(crops, replace(net, platform=platform), 640, batch_size)
    assert [size for (size, _), _ in groups] == expected
    assert {w for (_, w), _ in groups} == {width}
    assert sorted(i for _, members in groups for i in members) == list(range(count))
    assert all(len(members) <= size for (size, _), members in groups)
    draft = make_groups(crops, replace(net, platform=platform, frame_px=12), 640, batch_size)
    assert batch_size or platform == "gpu" or draft[0][0][0] == 960 // width
