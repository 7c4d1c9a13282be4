"""Reading with a detector that finds words: here one that knows where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import pytest

import deepocr_jax
from deepocr_jax import apply_deep_ocr, get_deep_ocr_param, set_deep_ocr_param
from deepocr_jax.dl.model import DLModel
from deepocr_jax.infer.detector import DetectorNet
from deepocr_jax.infer.tiles import lay_out_tiled, merge_tiles
from deepocr_jax.train.score_map_targets import make_targets

SIDE = 512
LINES = ["INVOICE 20417", "Amount due", "Total 316.50"]
STEP, HEIGHT = 26, 44


class Drawn(NamedTuple):
    images: np.ndarray
    quads: np.ndarray
    words: np.ndarray
    visible: np.ndarray


def draw_page() -> Drawn:
    """Text in cells of `STEP` x `HEIGHT` pixels."""
    image = np.full((SIDE, SIDE, 3), 235, np.uint8)
    quads, words, number = [], [], -1
    for line, text in enumerate(LINES):
        top = 60 + 120 * line
        for place, character in enumerate(text):
            left = 60 + STEP * place
            if character == " " or place == 0:
                number += 1
            if character == " ":
                continue
            (width, _), _ = cv2.getTextSize(character, cv2.FONT_HERSHEY_DUPLEX, 1.2, 2)
            at = (left + (STEP - width) // 2, top + 34)
            cv2.putText(
                image, character, at, cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 20), 2, cv2.LINE_AA
            )
            right, bottom = left + STEP, top + HEIGHT
            quads.append([[left, top], [right, top], [right, bottom], [left, bottom]])
            words.append(number)
    shape = (1, len(words))
    return Drawn(
        image[None],
        np.array(quads, np.float32)[None],
        np.array(words, np.int32)[None],
        np.ones(shape, bool),
    )


def turned(page: Drawn, quarters: int) -> Drawn:
    """The page turned counter-clockwise by quarters."""
    quads = page.quads
    for _ in range(quarters):
        quads = np.stack([quads[..., 1], SIDE - quads[..., 0]], axis=-1)
    image = np.ascontiguousarray(np.rot90(page.images[0], quarters))[None]
    return page._replace(images=image, quads=quads)


def knowing(handle, page: Drawn):
    """A handle whose detector gives the maps of a page as it lies, whatever it is shown."""
    maps = np.asarray(make_targets(page).maps)
    net = handle.state.nets.detector
    net = DetectorNet(net.platform, (lambda batch: maps,), net.finder, finds_words=True)
    state = replace(handle.state, nets=replace(handle.state.nets, detector=net))
    knows = deepocr_jax.DeepOCR(state)
    set_deep_ocr_param(knows, "detection_straighten", False)
    return knows


@pytest.mark.pretrained
@pytest.mark.parametrize(
    "quarters", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_words_are_read_in_their_lines_whatever_their_direction(handle, quarters):
    page = turned(draw_page(), quarters)
    result = apply_deep_ocr(page.images[0], knowing(handle, page))
    words = result["words"]
    assert words["word"] == [w for line in LINES for w in line.split()]
    assert words["line_index"].tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_allclose(np.cos(words["phi"] - np.pi / 2 * quarters), np.ones(6), atol=0.01)
    assert result["score_maps"].shape == (SIDE // 2, SIDE // 2, 4)
    # On the maps a word is where its cells are.
    on_maps = result["word_boxes_on_score_maps"]
    for k in range(6):
        centre = page.quads[0, page.words[0] == k].mean(axis=(0, 1)) / 2 - 0.5
        assert on_maps["col"][k] == pytest.approx(centre[0], abs=5)
        assert on_maps["row"][k] == pytest.approx(centre[1], abs=5)


@pytest.mark.pretrained
def test_without_recognition_each_word_has_its_box(handle):
    page = draw_page()
    words = apply_deep_ocr(page.images[0], knowing(handle, page), mode="detection")["words"]
    assert len(words["row"]) == 6 and sorted(set(words["line_index"].tolist())) == [0, 1, 2]


@pytest.mark.pretrained
def test_thresholds_of_score_maps_are_heeded(handle):
    page = draw_page()
    handle = knowing(handle, page)
    set_deep_ocr_param(handle, "detection_min_link_score", 1.0)
    set_deep_ocr_param(handle, "detection_min_character_score", 0.6)
    words = apply_deep_ocr(page.images[0], handle, mode="detection")["words"]
    assert len(words["row"]) == page.words.shape[1]  # single characters


def test_a_model_by_score_maps_is_a_detector(tiny_handle, tiny_word_detector, tmp_path):
    assert get_deep_ocr_param(tiny_handle, "detection_score_map_names") == ["text"]
    set_deep_ocr_param(tiny_handle, "detection_model", DLModel(tiny_word_detector))
    names = get_deep_ocr_param(tiny_handle, "detection_score_map_names")
    assert names == ["character", "link", "sin", "cos"]
    model = get_deep_ocr_param(tiny_handle, "detection_model")
    assert deepocr_jax.get_dl_model_param(model, "type") == "ocr_detection"
    deepocr_jax.write_dl_model(model, tmp_path / "model")
    set_deep_ocr_param(tiny_handle, "detection_model", str(tmp_path / "model"))
    set_deep_ocr_param(tiny_handle, "detection_image_size", (128, 96))
    result = apply_deep_ocr(np.zeros((90, 120, 3), np.uint8), tiny_handle, mode="detection")
    assert result["score_maps"].shape == (48, 64, 4)
    np.testing.assert_allclose(np.linalg.norm(result["score_maps"][..., 2:], axis=-1), 1, atol=1e-2)
    (sample,) = deepocr_jax.apply_dl_model({"image": np.zeros((64, 64, 3), np.uint8)}, model)
    assert sample["score_maps"].shape[-1] == 4 and set(sample["words"]) >= {"row", "phi"}


@pytest.mark.parametrize("stride", [1, 2])
def test_tiles_are_put_together_by_the_surest(stride):
    """Each tile knows the truth in its middle and is unsure at its edges."""
    truth = np.random.default_rng(0).random((150, 205, 4)).astype(np.float32)
    layout = lay_out_tiled(np.zeros((150, 205, 3), np.uint8), (96, 96), 40, stride)
    assert all(c % stride == 0 for corner in layout.corners for c in corner)
    maps = []
    for top, left in layout.corners:
        part = np.zeros((96, 96, 4), np.float32)
        seen = truth[top : top + 96, left : left + 96]
        part[: seen.shape[0], : seen.shape[1]] = seen
        part[[0, -1]] *= 0.1
        part[:, [0, -1]] *= 0.1
        maps.append(part[::stride, ::stride])
    merged = merge_tiles(layout, maps, stride)
    inner = (slice(2, -2), slice(2, -2))
    expected = truth[::stride, ::stride]
    assert merged.shape == expected.shape
    np.testing.assert_array_equal(merged[inner], expected[inner])
