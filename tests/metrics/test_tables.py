import numpy as np

from deepocr_jax.metrics import tables
from deepocr_jax.metrics.detection import DetectionMetrics
from deepocr_jax.metrics.recognition import RecognitionMetrics


def _result(*pairs):
    metrics = RecognitionMetrics()
    for image_id, (truth, read) in enumerate(pairs):
        metrics.update(truth, read, 0.5, image_id)
    return metrics.compute()


def test_rows_are_compared_in_one_table():
    text = tables.compare(
        {
            "displays: pretrained": _result(("12", "12"), ("34", "84")),
            "displays: retrained": _result(("12", "12"), ("34", "34")),
        }
    )
    lines = text.splitlines()
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    assert "50.00 %" in lines[2] and "100.00 %" in lines[3] and "25.00 %" in lines[2]
    assert "precision" not in text


def test_detection_gives_a_row_for_each_threshold():
    metrics = DetectionMetrics((0.5, 0.7))
    box = np.array([[5, 5, 0, 4, 2.0]])
    metrics.update(box, box, truth_texts=["a"], texts=["b"])
    text = tables.compare({"pages": metrics.compute()})
    assert len(text.splitlines()) == 4 and "0.7" in text and "0.00 %" in text


def test_values_that_do_not_exist_are_dashes():
    text = tables.compare({"a": _result(("..", "..")), "b": _result(("x", "x"))})
    assert "| - |" in " ".join(text.splitlines()[2].split())


def test_lists_show_characters_that_cannot_be_seen_and_break_no_table():
    result = _result(("a b", "ab"), ("|", "l"), ("x", "x\t"))
    confusions = tables.format_confusions(result)
    assert "(space)" in confusions and "\\|" in confusions and "U+0009" in confusions
    worst = tables.format_worst(result, files={0: "a.png"})
    assert "a.png" in worst and "\\|" in worst
    assert "(space)" in tables.format_characters(result)


def test_perfect_results_say_so():
    result = _result(("a", "a"))
    assert "No character" in tables.format_confusions(result)
    assert "right" in tables.format_worst(result) and "right" in tables.format_characters(result)
