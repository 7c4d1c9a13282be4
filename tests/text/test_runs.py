"""The first largest value of each run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.text.ctc import first_maxima


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), max_size=8))
def test_first_maxima_are_those_of_each_run(runs):
    values = np.array([x for run in runs for x in run], np.float32)
    found = first_maxima(values, np.array([len(run) for run in runs], np.intp))
    start, expected = 0, []
    for run in runs:
        expected.append(start + int(np.argmax(run)))
        start += len(run)
    assert found.tolist() == expected
