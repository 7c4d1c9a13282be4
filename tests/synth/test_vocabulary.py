from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII, Vocabulary


def test_every_printable_character_occurs_often():
    vocabulary = Vocabulary()
    words = [vocabulary.word(0, index) for index in range(4000)]
    counts = Counter("".join(words))
    assert set(counts) == set(PRINTABLE_ASCII)
    assert min(counts.values()) >= 10
    assert len(set(words)) > 2500
    for kind in (str.islower, str.isupper, str.istitle, str.isdigit):
        assert sum(map(kind, words)) > 100


def test_words_depend_on_seed_and_index_alone():
    vocabulary = Vocabulary()
    forward = [vocabulary.word(5, index) for index in range(50)]
    backward = [Vocabulary().word(5, index) for index in reversed(range(50))]
    assert forward == backward[::-1]
    assert forward != [vocabulary.word(6, index) for index in range(50)]


@given(
    st.text(min_size=1, max_size=8).filter(lambda t: set(t) - {" "}),
    st.integers(1, 12),
    st.integers(-(2**63), 2**64),
    st.integers(0, 2**40),
)
def test_words_keep_to_the_characters_and_the_length(characters, max_length, seed, index):
    word = Vocabulary(characters, max_length=max_length).word(seed, index)
    assert word and set(word) <= set(characters)
    assert len(word) <= max_length
    assert word == " ".join(word.split(" ")) and not word.startswith(" ")
    assert not word.endswith(" ") and "  " not in word


def test_characters_of_another_alphabet_occur_often():
    vocabulary = Vocabulary(PRINTABLE_ASCII + "äöüßÄÖÜ°µ")
    counts = Counter("".join(vocabulary.word(0, index) for index in range(3000)))
    assert min(counts[c] for c in "äöüßÄÖÜ°µ") >= 8


def test_own_words_replace_the_built_in_ones(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("Zürich\n\nGenève\n", encoding="utf-8")
    vocabulary = Vocabulary(PRINTABLE_ASCII + "üÜèÈ", words=file)
    words = {vocabulary.word(0, index) for index in range(300)}
    assert {"ZÜRICH", "Genève"} <= words
    assert "OPEN" not in words


def test_wrong_arguments_are_refused(tmp_path):
    for characters in ("", " ", ["ab"]):
        with pytest.raises(ParameterValueError, match="characters"):
            Vocabulary(characters)
    with pytest.raises(ParameterValueError, match="max_length"):
        Vocabulary(max_length=0)
    with pytest.raises(ParameterValueError, match="cannot be read"):
        Vocabulary(words=tmp_path / "absent.txt")
    with pytest.raises(ParameterValueError, match="at least one word"):
        Vocabulary(words=[" "])
