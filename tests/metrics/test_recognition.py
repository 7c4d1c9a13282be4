import random
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.metrics.recognition import RecognitionMetrics

SAMPLES = [
    ("Open", "Open", 0.9),
    ("Open", "OPEN", 0.8),
    ("AB-12", "AB12", 0.7),
    ("...", "..", 0.2),
    ("cat", "cot", 0.6),
    ("cot", "cat", 0.6),
    ("hot", "hat", 0.5),
]


def _filled(samples, worst_kept=20) -> RecognitionMetrics:
    metrics = RecognitionMetrics(worst_kept)
    for image_id, (truth, read, confidence) in enumerate(samples):
        metrics.update(truth, read, confidence, image_id)
    return metrics


def test_figures_of_known_samples():
    result = _filled(SAMPLES).compute()
    assert result["count"] == 7
    assert result["accuracy"] == 1 / 7
    assert result["accuracy_caseless"] == 2 / 7
    # "..." has no truth in the 36 characters.
    assert result["count_36"] == 6
    assert result["accuracy_36"] == 3 / 6
    assert result["character_error_rate"] == (3 + 1 + 1 + 1 + 1 + 1) / (4 + 4 + 5 + 3 + 3 + 3 + 3)
    assert result["confusions"][0] == ("o", "a", 2)
    assert ("-", "", 1) in result["confusions"]
    assert result["characters"]["o"] == {"count": 2, "correct": 0, "accuracy": 0.0}
    assert "" not in result["characters"]
    assert result["worst"][0] == {
        "image_id": 1, "truth": "Open", "read": "OPEN", "edits": 3, "confidence": 0.8,
    }  # fmt: skip


def test_nothing_counted_gives_none_and_an_empty_truth_is_an_error_of_the_reading():
    result = RecognitionMetrics().compute()
    assert result["accuracy"] is None and result["character_error_rate"] is None
    metrics = RecognitionMetrics()
    metrics.update("", "x", float("nan"))
    result = metrics.compute()
    assert result["accuracy"] == 0 and result["character_error_rate"] is None
    assert result["confusions"] == [("", "x", 1)] and result["characters"] == {}


sample = st.tuples(st.text("abA1 ", max_size=4), st.text("abA1 ", max_size=4), st.floats(0, 1))


@given(st.lists(sample, max_size=30), st.integers(0, 1000), st.integers(1, 5))
def test_merging_in_any_order_and_grouping_gives_the_same(samples, seed, worst_kept):
    whole = _filled(samples, worst_kept).compute()
    shuffler = random.Random(seed)
    numbered = list(enumerate(samples))
    shuffler.shuffle(numbered)
    parts = [RecognitionMetrics(worst_kept) for _ in range(4)]
    for image_id, (truth, read, confidence) in numbered:
        shuffler.choice(parts).update(truth, read, confidence, image_id)
    parts = [RecognitionMetrics.from_json(part.to_json()) for part in parts]
    assert reduce(RecognitionMetrics.merge, parts).compute() == whole
    right = reduce(lambda a, b: b.merge(a), reversed(parts))
    assert right.compute() == whole


def test_merge_leaves_its_operands_as_they_are():
    one, other = _filled(SAMPLES[:3]), _filled(SAMPLES[3:])
    before = one.to_json()
    one.merge(other).update("x", "y")
    assert one.to_json() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"count": 1}', "nonsense", "3"])
def test_foreign_json_is_refused(text):
    with pytest.raises(ParameterValueError, match="RecognitionMetrics.to_json"):
        RecognitionMetrics.from_json(text)


def test_states_that_keep_different_numbers_do_not_merge():
    with pytest.raises(ParameterValueError, match="worst_kept"):
        RecognitionMetrics(3).merge(RecognitionMetrics(4))
