"""Alphabets: named sets, checks, and slices of a recognizer's classes."""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from deepocr_jax.errors import ParameterValueError

ASCII = string.digits + string.ascii_letters + string.punctuation + " "
LATIN_EXTRA = "".join(map(chr, [*range(0xA1, 0xAD), *range(0xAE, 0x180)])) + "–—‘’‚“”„†‡•…‰‹›€™"
NAMED: dict[str, str] = {
    "digits": string.digits,
    "ascii": ASCII,
    "latin": ASCII + LATIN_EXTRA,
}


def resolve_alphabet(value: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """A named set or a sequence of characters -> the alphabet, in the given order.

    A named set is cut to the characters that the recognizer knows; a sequence must be known whole.

    Args:
        value: "digits", "ascii", "latin", or characters.
        known: The recognizer's characters.

    Raises:
        ParameterValueError: Empty, doubled, not single characters, or unknown ones.
    """
    if isinstance(value, str) and value in NAMED:
        have = set(known)
        return tuple(c for c in NAMED[value] if c in have)
    if isinstance(value, str) and len(value) > 1 and value.isidentifier() and value.islower():
        # A word such as "latn" is far more often a mistyped name than an alphabet.
        if len(set(value)) == len(value) and len(value) > 10:
            return check_alphabet(tuple(value), known)
        raise ParameterValueError(
            f"{value!r} names no alphabet; known names: {', '.join(NAMED)}. "
            "Give a list of single characters for an alphabet of your own"
        )
    return check_alphabet(as_characters(value), known)


def as_characters(value: Any) -> tuple[Any, ...]:
    """The entries of a sequence.

    Raises:
        ParameterValueError: It is none.
    """
    try:
        return tuple(value)
    except TypeError:
        raise ParameterValueError(
            f"expected a sequence of single characters, got {value!r}"
        ) from None


def check_alphabet(alphabet: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    """The alphabet, if it is one and the recognizer knows all of it.

    Raises:
        ParameterValueError: What is wrong with it.
    """
    if not alphabet:
        raise ParameterValueError("the alphabet is empty; expected at least one character")
    bad = [c for c in alphabet if not isinstance(c, str) or len(c) != 1]
    if bad:
        raise ParameterValueError(f"expected single characters, got {bad[:5]!r}")
    doubled = (
        sorted({c for c in alphabet if alphabet.count(c) > 1})
        if len(set(alphabet)) < len(alphabet)
        else []
    )
    if doubled:
        raise ParameterValueError(f"characters occur twice in the alphabet: {doubled[:5]!r}")
    unknown = sorted(set(alphabet) - set(known))
    if unknown:
        raise ParameterValueError(
            f"the recognizer does not know {unknown[:10]!r}; its characters are in "
            'get_deep_ocr_param(handle, "recognition_alphabet_internal"); new ones need training'
        )
    return alphabet


def class_columns(alphabet: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Columns of the head for blank and the alphabet: [len(alphabet) + 1] int."""
    index = {c: i + 1 for i, c in enumerate(known)}
    return np.array([0, *(index[c] for c in alphabet)], np.intp)
