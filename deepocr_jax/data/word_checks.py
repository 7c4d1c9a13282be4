"""Whether a word can be learned from its crop."""

from __future__ import annotations

import math
from collections.abc import Container

from deepocr_jax.data.fault_kinds import FaultKind, shown

LINE_HEIGHT = 48
"""Height in pixels to which the recognizer scales a crop."""
FRAME_STEP = 8
"""Columns of a canvas that give one frame of the network's output."""
MIN_CANVAS = 160
"""The narrowest canvas in pixels: batches pad narrower crops to it."""
MIN_WIDTH = 8


def scaled_width(height: float, width: float, image_width: int) -> int:
    """Width in pixels of a crop scaled to the recognizer's height, at most `image_width`."""
    # Limited first, since the width of an absurd box may be infinite.
    scaled = min(float(image_width), LINE_HEIGHT * width / height)
    return min(image_width, max(MIN_WIDTH, math.ceil(scaled)))


def frames_of(width: int, image_width: int) -> int:
    """Frames that the narrowest canvas for a crop `width` pixels wide gives."""
    return min(image_width, max(MIN_CANVAS, width)) // FRAME_STEP


def frames_needed(word: str) -> int:
    """Frames that CTC needs at least: one a character, and a blank between equal neighbours."""
    return len(word) + sum(a == b for a, b in zip(word, word[1:], strict=False))


def word_problems(
    word: str, alphabet: Container[str] | None = None, frames: int | None = None
) -> list[tuple[FaultKind, str]]:
    """What keeps a word from being learned: kinds of faults and reasons, mostly none.

    Args:
        word: the text.
        alphabet: characters that the model knows; None: not checked.
        frames: frames of the word's canvas; None: not checked.
    """
    if not word.strip():
        return [("empty_word", f"Expected a word to be read, got {shown(word)}.")]
    problems: list[tuple[FaultKind, str]] = []
    if alphabet is not None:
        unknown = list(dict.fromkeys(c for c in word if c not in alphabet))
        if unknown:
            names = ", ".join(f"{shown(c)} (U+{ord(c):04X})" for c in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            problems.append(
                (
                    "unknown_character",
                    f"The alphabet lacks {names}{more} of the word {shown(word)}.",
                )
            )
    if frames is not None and frames_needed(word) > frames:
        problems.append(
            (
                "word_too_long",
                f"The word {shown(word)} of {len(word)} characters needs {frames_needed(word)} "
                f"frames, but its canvas has {frames}.",
            )
        )
    return problems
