from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.metrics.alignment import align_texts

texts = st.text("abc", max_size=7)


def _edits(a: str, b: str) -> int:
    """The recursive definition of the edit distance."""

    @cache
    def edits(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = edits(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, edits(i - 1, j) + 1, edits(i, j - 1) + 1)

    return edits(len(a), len(b))


@given(texts, texts)
def test_distance_is_that_of_the_definition_and_the_alignment_has_it(truth, read):
    edits, pairs = align_texts(truth, read)
    assert edits == _edits(truth, read)
    assert sum(a != b for a, b in pairs) == edits
    assert "".join(a for a, _ in pairs) == truth
    assert "".join(b for _, b in pairs) == read
    assert ("", "") not in pairs


def test_known_alignments():
    assert align_texts("cat", "cut") == (1, [("c", "c"), ("a", "u"), ("t", "t")])
    assert align_texts("cat", "at") == (1, [("c", ""), ("a", "a"), ("t", "t")])
    assert align_texts("", "x") == (1, [("", "x")])
    assert align_texts("", "") == (0, [])
