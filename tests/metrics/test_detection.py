import numpy as np
import pytest

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.metrics.detection import DetectionMetrics

TRUTH = np.array([[10, 20, 0, 10, 5], [10, 60, 0.3, 10, 5], [50, 20, 0, 10, 5.0]])
TEXTS = ["Open", "Exit", "Sale"]


def test_perfect_boxes_and_texts():
    metrics = DetectionMetrics()
    metrics.update(TRUTH, TRUTH[::-1], truth_texts=TEXTS, texts=["SALE", "Exit", "Open"])
    scores = metrics.compute()["thresholds"][0]
    assert (scores["precision"], scores["recall"], scores["f_score"]) == (1, 1, 1)
    assert scores["end_to_end"]["f_score"] == 2 / 3
    assert scores["end_to_end_caseless"]["f_score"] == 1


def test_each_box_matches_once_and_the_better_one_wins():
    shifted = TRUTH[0] + [0, 3, 0, 0, 0]
    metrics = DetectionMetrics()
    found = np.array([shifted, TRUTH[0]])
    metrics.update(TRUTH[:1], found, truth_texts=["Open"], texts=["Closed", "Open"])
    scores = metrics.compute()["thresholds"][0]
    assert (scores["precision"], scores["recall"]) == (0.5, 1)
    assert scores["end_to_end"]["recall"] == 1


def test_thresholds_cut_the_same_matches():
    metrics = DetectionMetrics((0.3, 0.5, 0.9))
    metrics.update(TRUTH, TRUTH + [0, 4, 0, 0, 0])  # IoU 16/24 of the upright ones
    recalls = [scores["recall"] for scores in metrics.compute()["thresholds"]]
    assert recalls == [1, 1, 0]


def test_ignored_boxes_neither_count_nor_punish():
    ignored = np.array([False, False, True])
    found_one = DetectionMetrics()
    found_one.update(TRUTH, TRUTH, ignored)
    missed = DetectionMetrics()
    missed.update(TRUTH, TRUTH[:2], ignored)
    # A large ignored region takes any number of small boxes on it.
    parts = np.array([TRUTH[0], TRUTH[1], [50, 15, 0, 3, 3], [50, 25, 0, 3, 3]])
    several = DetectionMetrics()
    several.update(TRUTH, parts, ignored)
    for metrics in (found_one, missed, several):
        scores = metrics.compute()["thresholds"][0]
        assert (scores["precision"], scores["recall"]) == (1, 1)
    elsewhere = DetectionMetrics()
    elsewhere.update(TRUTH, np.vstack([TRUTH[:2], [[90, 90, 0, 5, 5]]]), ignored)
    assert elsewhere.compute()["thresholds"][0]["precision"] == 2 / 3


def test_empty_sides():
    metrics = DetectionMetrics()
    assert metrics.compute()["thresholds"][0]["f_score"] is None
    metrics.update(np.zeros((0, 5)), TRUTH)
    metrics.update(TRUTH, [])
    scores = metrics.compute()["thresholds"][0]
    assert (scores["precision"], scores["recall"], scores["f_score"]) == (0, 0, 0)


def test_merging_gives_the_figures_of_all_images_in_any_order():
    rng = np.random.default_rng(0)
    images = [(TRUTH, TRUTH + rng.normal(0, s, (3, 5))) for s in (0.01, 0.5, 1, 2)]
    whole, parts = DetectionMetrics((0.5, 0.7)), []
    for truth, found in images:
        found[:, 3:] = np.abs(found[:, 3:])
        whole.update(truth, found, truth_texts=TEXTS, texts=TEXTS)
        parts.append(DetectionMetrics((0.5, 0.7)))
        parts[-1].update(truth, found, truth_texts=TEXTS, texts=TEXTS)
    a, b, c, d = parts
    assert a.merge(b).merge(c.merge(d)).compute() == whole.compute()
    assert d.merge(c).merge(b).merge(a).compute() == whole.compute()


def test_wrong_input_is_refused():
    metrics = DetectionMetrics()
    with pytest.raises(ParameterValueError, match="boxes as finite"):
        metrics.update(TRUTH, np.full((1, 5), np.nan))
    with pytest.raises(ParameterValueError, match="or neither"):
        metrics.update(TRUTH, TRUTH, truth_texts=TEXTS)
    with pytest.raises(ParameterValueError, match="iou_thresholds"):
        DetectionMetrics((0.0,))
    with pytest.raises(ParameterValueError, match="iou_thresholds"):
        metrics.merge(DetectionMetrics((0.7,)))
