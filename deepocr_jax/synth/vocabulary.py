"""Words as they stand on signs, labels and receipts, made from random numbers.

The real words are an own list of words common on signs; the others are made of syllables, so no
word list of anybody else is needed. Files of words can be given instead.
"""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.random_streams import Stream, random_stream
from deepocr_jax.synth.word_list import SIGN_WORDS

PRINTABLE_ASCII = string.digits + string.ascii_letters + string.punctuation + " "
"""The 95 characters that are drawn unless others are asked for."""

Generator = np.random.Generator

_ONSETS = (
    "b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br", "ch",
    "cl", "cr", "dr", "fl", "gr", "pl", "pr", "sh", "sl", "sp", "st", "th", "tr", "qu", "z", "y",
)  # fmt: skip
_NUCLEI = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ea", "ee", "oo", "ou")
_CODAS = ("", "", "", "n", "r", "s", "t", "l", "m", "d", "ck", "ng", "nt", "st", "x")
_MARKS = ("!", "!!", ".", ",", ":", ";", "?", "...", "-", "'", '"', "/", "&")
_CODE_CHARACTERS = string.ascii_uppercase + string.digits


class Vocabulary:
    """A deterministic endless list of words.

    Attributes:
        characters: the characters that words are made of, each once.
        max_length: most characters of a word.
        own_words: the words that were given, None where the built-in ones are used.
    """

    def __init__(
        self,
        characters: Sequence[str] = PRINTABLE_ASCII,
        words: Sequence[str] | str | os.PathLike | None = None,
        max_length: int = 40,
    ) -> None:
        """Prepares the choices.

        Args:
            characters: what words may consist of. Besides the words that these allow, runs of
                random characters make each of them occur, and more often the fewer of them are
                letters and digits of ASCII, as in the alphabet of another script.
            words: own words, or a text file with one on each line (UTF-8), in place of the
                built-in list and the made-up words.
            max_length: most characters of a word; longer ones are cut.

        Raises:
            ParameterValueError: no characters, an entry that is not one character, no words, or a
                maximum below 1.
        """
        self.characters = tuple(dict.fromkeys(characters))
        self.max_length = max_length
        if not set(self.characters) - {" "} or any(len(c) != 1 for c in self.characters):
            raise ParameterValueError(
                "Expected characters as a sequence of single characters, at least one of which is "
                f"not the space, got {list(self.characters)[:5]}; pass them as one string."
            )
        if max_length < 1:
            raise ParameterValueError(f"Expected max_length of at least 1, got {max_length}.")
        self.own_words = None if words is None else _load_words(words)
        self._allowed = frozenset(self.characters)
        self._visible = [c for c in self.characters if c != " "]
        ordinary = sum(c.isascii() and c.isalnum() for c in self._visible)
        foreign = 1 - ordinary / len(self._visible)
        # 34 % of printable ASCII is punctuation; there, a run in twelve is enough for all of them.
        self._run_share = float(np.clip(0.08 + 0.8 * (foreign - 0.34), 0.08, 0.6))

    def word(self, seed: int, index: int) -> str:
        """Word number `index` of the list that belongs to the seed; never empty or blank."""
        random = random_stream(seed, index, Stream.WORD)
        if random.random() >= self._run_share:
            kind = _KINDS[int(np.searchsorted(_LIMITS, random.random(), side="right"))]
            text = self._clean(kind(random, self._base_word(random)))
            if text:
                return text
        return self._run(random)

    def _base_word(self, random: Generator) -> str:
        if self.own_words is not None:
            return _pick(random, self.own_words)
        return _pick(random, SIGN_WORDS) if random.random() < 0.6 else _made_up_word(random)

    def _clean(self, text: str) -> str:
        """The text of allowed characters, cut, and without spaces at its ends or in a row."""
        allowed = "".join(c for c in text if c in self._allowed)
        return " ".join(allowed.split())[: self.max_length].rstrip() if allowed else ""

    def _run(self, random: Generator) -> str:
        """A few random characters, each of the alphabet as likely as the others."""
        length = min(self.max_length, int(random.integers(2, 7)))
        picked = random.integers(len(self._visible), size=length)
        return "".join(self._visible[k] for k in picked)


def _load_words(words: Sequence[str] | str | os.PathLike) -> tuple[str, ...]:
    """Own words without blanks, from a sequence or a file."""
    if isinstance(words, str | os.PathLike):
        try:
            words = Path(words).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterValueError(
                f"Expected a text file (UTF-8) with one word on each line, but {str(words)!r} "
                f"cannot be read: {error}."
            ) from error
    kept = tuple(word.strip() for word in words if word.strip())
    if not kept:
        raise ParameterValueError("Expected at least one word that is not blank, got none.")
    return kept


def _pick(random: Generator, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]


def _digits(random: Generator, length: int) -> str:
    return "".join(map(str, random.integers(10, size=length)))


def _made_up_word(random: Generator) -> str:
    """A word that can be pronounced, of one to four syllables."""
    syllables = 1 + int(random.binomial(3, 0.4))
    parts = [_pick(random, _ONSETS) + _pick(random, _NUCLEI) for _ in range(syllables)]
    return "".join(parts) + _pick(random, _CODAS)


def _cased(random: Generator, word: str) -> str:
    """Small, Capitalized or CAPITALS, as often as on signs; a few as they come."""
    dice = random.random()
    if dice < 0.30:
        return word.lower()
    if dice < 0.62:
        return word[:1].upper() + word[1:].lower()
    return word.upper() if dice < 0.96 else word


def _plain(random: Generator, word: str) -> str:
    return _cased(random, word)


def _number(random: Generator, word: str) -> str:
    del word
    whole = _digits(random, int(random.integers(1, 6))).lstrip("0") or "0"
    forms = (
        whole, whole, _digits(random, int(random.integers(3, 11))),
        f"{whole[:3]}.{_digits(random, 2)}", f"{whole[:3]},{_digits(random, 2)}",
        f"{whole[:2]},{_digits(random, 3)}", f"{whole[:2]}%", f"+{whole}", f"-{whole}", f"#{whole}",
        f"No.{whole}", f"({whole})", f"{whole[:2]}/{_digits(random, 1)}", f"<{whole}", f"={whole}",
    )  # fmt: skip
    return _pick(random, forms)


def _price(random: Generator, word: str) -> str:
    del word
    amount = f"{int(random.integers(0, 1000))}{_pick(random, ('.', ','))}{_digits(random, 2)}"
    sign = _pick(random, ("$", "$", "$", "€", "£", "¥"))
    return _pick(random, (sign + amount, amount + " " + sign, amount + sign, sign + amount[:-3]))


def _date(random: Generator, word: str) -> str:
    del word
    day, month = int(random.integers(1, 29)), int(random.integers(1, 13))
    year, hour, minute = int(random.integers(1950, 2050)), day % 24, int(random.integers(60))
    forms = (
        f"{day:02}/{month:02}/{year}", f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}",
        f"{day}-{month}-{year % 100:02}", f"{month:02}/{year % 100:02}", f"{hour:02}:{minute:02}",
        f"{hour % 12 + 1}:{minute:02} PM", f"{hour % 12 + 1}am", str(year), f"'{year % 100:02}",
    )  # fmt: skip
    return _pick(random, forms)


def _code(random: Generator, word: str) -> str:
    def part(longest: int) -> str:
        length = int(random.integers(2, longest + 1))
        return "".join(_CODE_CHARACTERS[k] for k in random.integers(36, size=length))

    letters = word[:3].upper()
    number = _digits(random, int(random.integers(1, 6)))
    forms = (
        part(9), f"{part(4)}-{part(4)}", f"{letters}{number}", f"{letters}-{number}",
        f"{letters} {number}", f"{number}{letters[:1]}", f"{part(4)}/{part(3)}",
        f"{letters}_{number}", f"{part(3)}.{part(3)}", f"{part(4)}*", f"[{part(4)}]",
    )  # fmt: skip
    return _pick(random, forms)


def _punctuated(random: Generator, word: str) -> str:
    word = _cased(random, word)
    if random.random() < 0.5:
        return word + _pick(random, _MARKS)
    forms = (
        f"({word})", f'"{word}"', f"'{word}'", f"{word}'s", f"-{word}", f"*{word}", f"{word}+",
        f"[{word}]", f"{{{word}}}", f"<{word}>", f"~{word}", f"{word}=", f"{word}|", f"`{word}`",
    )  # fmt: skip
    return _pick(random, forms)


def _phrase(random: Generator, word: str) -> str:
    others = [_pick(random, SIGN_WORDS) for _ in range(int(random.integers(1, 3)))]
    joint = _pick(random, (" ", " ", " ", " ", " & ", "-", ", ", "/"))
    text = joint.join([word, *others])
    style = random.random()
    return text.upper() if style < 0.45 else text.title() if style < 0.8 else text.lower()


def _address(random: Generator, word: str) -> str:
    word, other = word.lower().replace(" ", ""), _pick(random, SIGN_WORDS)
    end = _pick(random, ("com", "org", "net", "de", "co.uk", "info"))
    forms = (
        f"www.{word}.{end}", f"{word}.{end}", f"{word}@{other}.{end}", f"@{word}", f"#{word}",
        f"/{word}/{other}", f"C:\\{word}", f"{word}_{other}", f"{word}^2", f"{word}?{other}={end}",
    )  # fmt: skip
    return _pick(random, forms)


_KINDS: tuple[Callable[[Generator, str], str], ...] = (
    _plain, _number, _price, _date, _code, _punctuated, _phrase, _address,
)  # fmt: skip
_LIMITS = np.cumsum([0.52, 0.12, 0.04, 0.05, 0.08, 0.09, 0.07])  # the rest are addresses
