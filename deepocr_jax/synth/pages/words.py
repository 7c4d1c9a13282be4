"""Words in groups, as arrays of character indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deepocr_jax.synth.vocabulary import Vocabulary

GROUPS = ("small", "initial capital", "capitals", "numbers and codes")
WORDS_PER_GROUP = 2500
MAX_LENGTH = 16

_SHORT_WORDS = (
    "the", "of", "to", "and", "a", "in", "is", "for", "on", "by", "with", "at", "or", "as", "be",
    "not", "from", "are", "this", "it", "if", "no", "all", "any", "per", "was", "has", "may", "we",
    "you", "your", "our", "an", "date", "name", "total", "page", "yes", "tel", "fax", "due", "will",
)  # fmt: skip
_SHORT_SHARE = 0.3


def make_words(characters: Sequence[str], seed: int = 0) -> np.ndarray:
    """Words of the characters, group by group.

    Args:
        characters: What words may consist of.
        seed: Of the words that are made up.

    Returns:
        int32 [groups * words per group, MAX_LENGTH], -1 behind the last character of a word.
    """
    vocabulary = Vocabulary(tuple(characters), max_length=MAX_LENGTH)
    letters: list[str] = []
    others: list[str] = []
    for index in range(4 * WORDS_PER_GROUP):
        for word in vocabulary.word(seed, index).split():
            alphabetic = sum(c.isalpha() for c in word) >= 0.7 * len(word)
            (letters if alphabetic else others).append(word)
    random = np.random.default_rng(seed)
    short = [w for w in _SHORT_WORDS if set(w) <= set(characters)]
    letters = _take(random, letters or others, WORDS_PER_GROUP)
    if short:
        chosen = random.random(WORDS_PER_GROUP) < _SHORT_SHARE
        letters = [
            short[random.integers(len(short))] if c else w
            for w, c in zip(letters, chosen, strict=True)
        ]
    groups = (
        [w.lower() for w in letters],
        [w[:1].upper() + w[1:].lower() for w in letters],
        [w.upper() for w in letters],
        _take(random, others or letters, WORDS_PER_GROUP),
    )
    place = {c: k for k, c in enumerate(characters)}
    codes = np.full((len(GROUPS) * WORDS_PER_GROUP, MAX_LENGTH), -1, np.int32)
    for row, word in enumerate(w for group in groups for w in group):
        known = [place[c] for c in word if c in place] or [row % len(characters)]
        codes[row, : min(len(known), MAX_LENGTH)] = known[:MAX_LENGTH]
    return codes


def _take(random: np.random.Generator, words: Sequence[str], count: int) -> list[str]:
    return [str(words[k]) for k in random.integers(len(words), size=count)]
