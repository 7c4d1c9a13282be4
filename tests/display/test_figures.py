"""Figures: what is drawn is asked of matplotlib's objects, and every figure is rendered once."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import same_color  # noqa: E402
from matplotlib.patches import Polygon  # noqa: E402

from deepocr_jax.data.sources import ArraySource  # noqa: E402
from deepocr_jax.display.figure_texts import MISSING, drawable  # noqa: E402
from deepocr_jax.display.figures import training_curve, worst_examples  # noqa: E402
from deepocr_jax.display.sample_figures import dev_display_dl_data  # noqa: E402
from deepocr_jax.errors import ParameterValueError  # noqa: E402
from deepocr_jax.metrics.recognition import RecognitionMetrics  # noqa: E402

HARD_TEXTS = ["東京", "عرب", "$5 and $6", "$\\frac{$", "a\nb", "\ud83d", "\0", "", " ", "W" * 500]
HISTORY = {
    "losses": [[0, 3.0], [10, 0.5], [20, float("nan")], [30, 0.2]],
    "epochs": [{"epoch": 1, "mean_loss": 1.5, "time": 2.0}, {"epoch": 2, "mean_loss": 0.3}],
    "evaluations": [
        {"epoch": 0, "accuracy": 0.25, "accuracy_36": None},
        {"epoch": 2, "accuracy": 0.75, "accuracy_36": None},
    ],
}


def rendered(figure):
    """The picture, so that whatever drawing it warns of fails the test."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)


def titles(figure):
    return [cell.get_title("left") for cell in figure.axes]


def boxes_of(cell):
    return [patch for patch in cell.patches if isinstance(patch, Polygon)]


def crop(width=60):
    return np.full((48, width, 3), 200, np.uint8)


# --- training_curve -----------------------------------------------------------------------------


def test_curve_has_a_panel_for_each_part_of_the_history(tmp_path):
    path = tmp_path / "deep" / "curve.png"
    figure = training_curve(HISTORY, path)
    assert [axes.get_xlabel() for axes in figure.axes] == ["step", "epoch", "epoch"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "mean loss", "accuracy"]
    (line,) = figure.axes[2].lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.25], [2, 0.75]])
    assert len(figure.axes[0].lines[0].get_xdata()) == 3  # not the one that is no number
    assert path.read_bytes().startswith(b"\x89PNG")
    training_curve({**HISTORY, "evaluations": []}, path)
    assert [p.name for p in path.parent.iterdir()] == ["curve.png"]


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"losses": [], "epochs": [], "evaluations": []},
        {"losses": [(0, 0.0)]},
        {"losses": [(0, float("inf"))]},
        {"epochs": [{"epoch": 1, "mean_loss": 1e-30}]},
        {"evaluations": [{"epoch": 1, "accuracy": None}]},
    ],
)
def test_curve_of_hardly_anything(history):
    assert rendered(training_curve(history)).std() > 0


# --- worst_examples -----------------------------------------------------------------------------


def result_of(pairs):
    metrics = RecognitionMetrics()
    for image_id, (truth, read) in enumerate(pairs):
        metrics.update(truth, read, 0.5, image_id)
    return metrics.compute()


def test_worst_examples_show_truth_and_reading_the_worst_first():
    pairs = [("good", "good"), ("word", "ward"), ("text", "")]
    source = ArraySource([crop(40 + 10 * i) for i in range(3)], [p[0] for p in pairs])
    figure = worst_examples(result_of(pairs), source)
    assert titles(figure) == ["text\n→ (nothing)  50 %", "word\n→ ward  50 %"]
    assert [cell.images[0].get_size() for cell in figure.axes] == [(48, 60), (48, 50)]
    rendered(figure)
    assert len(worst_examples(result_of(pairs), source, limit=1).axes) == 1


def test_worst_examples_of_a_perfect_reader():
    figure = worst_examples(result_of([("a", "a")]), ArraySource([crop()], ["a"]))
    assert rendered(figure).std() > 0
    assert [t.get_text() for t in figure.axes[0].texts] == ["Every word was read right."]


def test_worst_examples_refuse_what_does_not_go_together():
    source = ArraySource([crop()], ["a"], [7])
    with pytest.raises(ParameterValueError, match="none of the samples"):
        worst_examples(result_of([("a", "b")]), source)
    with pytest.raises(ParameterValueError, match="'worst'"):
        worst_examples({"precision": 1.0}, source)
    with pytest.raises(ParameterValueError, match="at least 1"):
        worst_examples(result_of([("a", "b")]), source, columns=0)


def test_worst_examples_with_any_text():
    pairs = [(text or "x", HARD_TEXTS[-1 - i]) for i, text in enumerate(HARD_TEXTS)]
    source = ArraySource([crop(8 + 200 * i) for i in range(len(pairs))], [p[0] for p in pairs])
    rendered(worst_examples(result_of(pairs), source, columns=3))


# --- dev_display_dl_data ------------------------------------------------------------------------

ROTATED = {
    "bbox_row": [20.0, 30.0],
    "bbox_col": [30.0, 60.0],
    "bbox_phi": [0.0, 0.5],
    "bbox_length1": [10.0, 20.0],
    "bbox_length2": [5.0, 8.0],
    "label_custom_data": [{"text": "one"}, {"text": "$two$"}],
}


def page():
    return np.full((80, 100, 3), 255, np.uint8)


def test_words_of_samples_and_results():
    samples = [{"image": crop(), "word": "abc"}, {"image": crop(90), "word": "def"}]
    results = [{"word": "abc", "confidence": 0.75}, {"word": ""}]
    figure = dev_display_dl_data(samples, results, columns=2)
    assert titles(figure) == ["abc\n→ abc  75 %", "def\n→ (nothing)"]
    colors = [cell._left_title.get_color() for cell in figure.axes]  # type: ignore[attr-defined]
    assert same_color(colors[0], "black")
    assert same_color(colors[1], "tab:red")
    rendered(figure)
    assert titles(dev_display_dl_data(samples, results, show_words=False)) == ["", ""]


def test_boxes_of_labels_and_results():
    words = {"row": [20.0], "col": [30.0], "phi": [0.0], "length1": [10.0], "length2": [5.0]}
    result = {"words": {k: np.array(v) for k, v in words.items()}}
    figure = dev_display_dl_data({"image": page(), **ROTATED}, result, box_color="orange")
    (cell,) = figure.axes
    labels, found = boxes_of(cell)[:2], boxes_of(cell)[2:]
    assert all(same_color(p.get_edgecolor(), "orange") for p in labels)
    assert [same_color(p.get_edgecolor(), "tab:blue") for p in found] == [True]
    # x is the column, y the row.
    np.testing.assert_allclose(labels[0].get_xy()[:4], [[20, 15], [40, 15], [40, 25], [20, 25]])
    assert [t.get_text() for t in cell.texts if t.get_text()] == ["one", "$two$"]
    np.testing.assert_allclose(sorted(cell.get_ylim()), [-0.5, 79.5])
    rendered(figure)
    quiet = dev_display_dl_data({"image": page(), **ROTATED}, show_orientation=False)
    assert len(quiet.axes[0].texts) == 2


def test_upright_boxes():
    upright = {"bbox_row1": [10], "bbox_col1": [20], "bbox_row2": [30], "bbox_col2": [60]}
    figure = dev_display_dl_data({"image": page(), **upright})
    (box,) = boxes_of(figure.axes[0])
    np.testing.assert_array_equal(box.get_xy()[:4], [[20, 10], [60, 10], [60, 30], [20, 30]])
    rendered(figure)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1), bool),
        np.linspace(-1, 1, 300, dtype=np.float32).reshape(10, 10, 3),
        np.zeros((20, 2000, 1), np.uint8),
        np.full((2000, 2, 3), np.nan),
        np.zeros((48, 60), np.uint16),
    ],
)
def test_images_of_all_forms(image):
    rendered(dev_display_dl_data({"image": image, "word": "word"}))


def test_normalized_images_are_spread_over_all_grays():
    image = np.array([[-1.0, 0.0, 1.0]])
    shown = dev_display_dl_data({"image": image}).axes[0].images[0].get_array()
    assert shown is not None
    np.testing.assert_array_equal(shown, [[0, 0.5, 1]])


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_every_text_can_be_drawn(text):
    sample = {"image": page(), "word": text, **ROTATED}
    sample["label_custom_data"] = [{"text": text}, {}]
    rendered(dev_display_dl_data(sample, {"word": text, "confidence": 0.0}))


def test_wrong_calls_say_what_is_wrong():
    with pytest.raises(ParameterValueError, match="gen_dl_samples"):
        dev_display_dl_data({"image_file_name": "a.png"})
    with pytest.raises(ParameterValueError, match="one result for each of the 2"):
        dev_display_dl_data([{"image": page()}] * 2, {"word": "a"})
    with pytest.raises(ParameterValueError, match="1 to 64 samples"):
        dev_display_dl_data([])
    with pytest.raises(ParameterValueError, match="1 to 64 samples"):
        dev_display_dl_data([{"image": page()}], columns=0)
    with pytest.raises(ParameterValueError, match=r"\[2, 3, 4\]"):
        dev_display_dl_data({"image": np.zeros((2, 3, 4), np.uint8)})


# --- texts and state ----------------------------------------------------------------------------


def test_texts_without_glyph_are_replaced():
    assert drawable("Müller $5 Ж") == "Müller $5 Ж"
    assert drawable("a\nb") == "aU+000Ab"
    assert drawable("\U0001f9ff\u0b95") in (MISSING * 2, MISSING + "\u0b95", "\U0001f9ff" + MISSING)


def test_figures_leave_pyplot_alone():
    code = (
        "import sys, numpy as np; from deepocr_jax.display import figures, sample_figures as s; "
        "figures.training_curve({}); s.dev_display_dl_data({'image': np.zeros((4, 5))}); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
