from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from matplotlib.patches import Polygon

from deepocr_jax import (
    ParameterValueError,
    dev_display_deep_ocr_results,
    dev_display_deep_ocr_results_preprocessed,
    dev_display_deep_ocr_score_maps,
)

IMAGE = np.full((80, 120, 3), 200, np.uint8)
BOXES = {
    "row": np.array([20.0, 55.0]),
    "col": np.array([40.0, 60.0]),
    "phi": np.array([0.0, 0.3]),
    "length1": np.array([30.0, 20.0]),
    "length2": np.array([8.0, 6.0]),
}


def page(maps: int = 4) -> dict:
    halves = {k: v if k == "phi" else v / 2 for k, v in BOXES.items()}
    step = 2 if maps == 4 else 1
    return {
        "image": IMAGE,
        "score_maps": np.random.default_rng(0).random((80 // step, 120 // step, maps)),
        "words": {**BOXES, "word": ["one", "tw$o"], "confidence": np.array([0.99, 0.4])},
        "word_boxes_on_image": BOXES,
        "word_boxes_on_score_maps": halves,
    }


def polygons(cell) -> list[Polygon]:
    return [p for p in cell.patches if isinstance(p, Polygon)]


def texts(cell) -> list[str]:
    return [t.get_text() for t in cell.texts if t.get_text()]


def render(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@pytest.mark.parametrize(
    "show",
    [
        lambda **kw: dev_display_deep_ocr_results(IMAGE, page(), **kw),
        lambda **kw: dev_display_deep_ocr_results_preprocessed(page(), **kw),
    ],
)
def test_words_have_their_boxes_and_doubtful_ones_stand_out(show):
    figure = show()
    (cell,) = figure.axes
    sure, doubtful = polygons(cell)
    assert sure.get_edgecolor() != doubtful.get_edgecolor()
    np.testing.assert_allclose(sure.get_xy()[0], (10, 12))
    assert texts(cell) == ["one", "tw$o (40 %)"]
    assert cell.get_title(loc="left") == "2 words, 1 doubtful"
    assert render(figure)
    (cell,) = show(show_words=False, show_orientation=False, doubtful_below=0.1).axes
    first, second = polygons(cell)
    assert not texts(cell) and first.get_edgecolor() == second.get_edgecolor()


def test_notebooks_show_figures():
    """Without pyplot nobody tells a notebook how a figure is drawn."""
    data = dev_display_deep_ocr_results(IMAGE, page())._repr_png_()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[1] > 500


def test_regions_without_words_are_drawn_too():
    result = page(1)
    result["words"] = BOXES
    (cell,) = dev_display_deep_ocr_results(IMAGE, result).axes
    assert len(polygons(cell)) == 2 and not texts(cell)


@pytest.mark.parametrize(("word", "confidence"), [("Word", 0.97), ("", 0.0)])
def test_a_crop_has_its_word_above_it(word, confidence):
    result = {"image": IMAGE, "word": word, "char_candidates": [], "confidence": confidence}
    (cell,) = dev_display_deep_ocr_results(IMAGE, result).axes
    assert (word or "(nothing)") in cell.get_title(loc="left")
    assert f"{100 * confidence:.0f} %" in cell.get_title(loc="left")


@pytest.mark.parametrize(("maps", "titles"), [(1, 1), (4, 5)])
def test_every_score_map_has_a_panel(maps, titles):
    result = page(maps)
    figure = dev_display_deep_ocr_score_maps(result)
    assert len([c for c in figure.axes if c.get_title(loc="left")]) == titles
    for k, cell in enumerate(figure.axes[:maps]):
        shown = cell.images[1]
        np.testing.assert_array_equal(shown.get_array(), result["score_maps"][..., k])
        # The maps lie on the whole image, whatever their resolution.
        assert shown.get_extent() == [-0.5, 119.5, 79.5, -0.5]
        assert len(polygons(cell)) == 2
    assert render(figure)
    bare = dev_display_deep_ocr_score_maps(result, show_boxes=False)
    assert not any(polygons(cell) for cell in bare.axes)


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda: dev_display_deep_ocr_results(IMAGE, {"image": IMAGE}), "words"),
        (lambda: dev_display_deep_ocr_results_preprocessed({"words": BOXES}), "image"),
        (lambda: dev_display_deep_ocr_score_maps({"image": IMAGE, "word": "a"}), "score_maps"),
    ],
)
def test_what_is_no_result_is_refused(call, missing):
    with pytest.raises(ParameterValueError, match=f"with '{missing}'"):
        call()


def test_texts_stay_in_the_image_and_stand_out_from_it():
    result = page()
    result["words"] = {**result["words"], "row": np.array([6.0, 55.0])}
    figure = dev_display_deep_ocr_results(IMAGE, result)
    cell = figure.axes[0]
    figure.canvas.draw()
    first = next(t for t in cell.texts if t.get_text().startswith("one"))
    bounds = first.get_window_extent()
    assert bounds.y1 <= cell.get_window_extent().y1 + 1
    assert all(t.get_path_effects() for t in cell.texts if t.get_text())
