import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.text.alphabet import NAMED, check_alphabet, class_columns, resolve_alphabet

KNOWN = tuple(dict.fromkeys("中" + NAMED["latin"]))


@pytest.mark.parametrize("name", NAMED)
def test_named_sets_hold_each_character_once(name):
    assert len(set(NAMED[name])) == len(NAMED[name])
    assert resolve_alphabet(name, KNOWN) == tuple(NAMED[name])


def test_named_sets_contain_each_other():
    assert set(NAMED["digits"]) < set(NAMED["ascii"]) < set(NAMED["latin"])
    assert set(NAMED["ascii"]) == set(map(chr, range(32, 127)))
    assert set("äöüßéñŁőğ€") < set(NAMED["latin"])


def test_named_sets_are_cut_to_what_is_known():
    assert resolve_alphabet("digits", "97x1") == ("1", "7", "9")


@given(st.permutations(KNOWN), st.integers(1, len(KNOWN)))
def test_own_alphabets_keep_their_order(shuffled, size):
    assert resolve_alphabet(shuffled[:size], KNOWN) == tuple(shuffled[:size])


@pytest.mark.parametrize("text", ["0123456789ABCDEF", "+-.,0123456789", "ABC", "中", "a", "7"])
def test_a_string_of_characters_is_an_alphabet(text):
    assert resolve_alphabet(text, KNOWN) == tuple(text)


def test_all_small_letters_are_an_alphabet():
    letters = "abcdefghijklmnopqrstuvwxyz"
    assert resolve_alphabet(letters, KNOWN) == tuple(letters)


@pytest.mark.parametrize("name", ["latn", "digit", "ascii_", "german"])
def test_mistyped_names_are_told_the_names(name):
    with pytest.raises(ParameterValueError, match="digits, ascii, latin"):
        resolve_alphabet(name, KNOWN)


@pytest.mark.parametrize(
    ("alphabet", "message"),
    [
        ((), "empty"),
        ("", "empty"),
        (("ab", "c"), "single characters.*'ab'"),
        (("", "c"), "single characters"),
        ((1, 2), "single characters"),
        ("ABBA", "twice.*'A', 'B'"),
        (("я",), "does not know.*'я'"),
    ],
)
def test_what_is_wrong_is_said(alphabet, message):
    with pytest.raises(ParameterValueError, match=message):
        resolve_alphabet(alphabet, KNOWN)


def test_checked_alphabets_come_back_as_they_are():
    alphabet = ("b", "a")
    assert check_alphabet(alphabet, "abc") is alphabet


@given(st.lists(st.sampled_from(KNOWN), max_size=20))
def test_columns_are_the_blank_and_the_characters_classes(alphabet):
    columns = class_columns(alphabet, KNOWN)
    assert columns.dtype == np.intp and columns[0] == 0
    assert [KNOWN[c - 1] for c in columns[1:]] == alphabet
