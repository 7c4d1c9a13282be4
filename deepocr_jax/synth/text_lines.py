"""Rendered words as a source of training samples."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Sequence

import numpy as np

from deepocr_jax.errors import ParameterValueError
from deepocr_jax.synth.fonts import find_fonts
from deepocr_jax.synth.layout import FRAME, Layout, choose_font, load_font_files, make_layout
from deepocr_jax.synth.painting import paint_crop
from deepocr_jax.synth.random_streams import Stream, random_stream
from deepocr_jax.synth.vocabulary import PRINTABLE_ASCII, Vocabulary
from deepocr_jax.types import ImageArray, IntArray

_VERSION = 2  # to be raised by every change that makes other crops


class RenderedSource:
    """Words rendered with free fonts and worn like photographs; a `CropSource`.

    Crop i is a function of the seed, i, the fonts and the other arguments, whatever was rendered
    before and in whichever thread. Text runs from left to right, one glyph for each character;
    scripts that join their letters are not rendered rightly.

    Attributes:
        fingerprint: short text that changes with the arguments, the contents of the font files
            that were found, and the version of this module. With the same one, crops are the same
            up to the versions of Pillow, OpenCV and NumPy.
    """

    def __init__(
        self,
        count: int,
        seed: int = 0,
        fonts: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
        characters: Sequence[str] = PRINTABLE_ASCII,
        words: Sequence[str] | str | os.PathLike | None = None,
        image_width: int = 2048,
        max_length: int = 40,
    ) -> None:
        """Finds the fonts; nothing is rendered yet.

        Args:
            count: number of samples.
            seed: any integer; other seeds give other samples.
            fonts: font files or folders of them; None takes the installed packages of
                `synth.fonts.FONT_PACKAGES`.
            characters: what words consist of, such as the alphabet of a model.
            words: own words or a text file of them, in place of the built-in ones.
            image_width: most columns of a crop; wider texts are squeezed.
            max_length: most characters of a word. Where `image_width` has no two frames for each,
                they are fewer.

        Raises:
            ParameterValueError: an argument is out of range, no fonts are found, or no font has
                one of the characters.
        """
        if count < 1:
            raise ParameterValueError(f"Expected a count of at least 1, got {count}.")
        if image_width < 4 * FRAME:
            raise ParameterValueError(
                f"Expected image_width of at least {4 * FRAME}, got {image_width}."
            )
        # Two frames a character (it and the blank between equal ones) fit any text.
        length = min(max_length, (image_width // FRAME - 1) // 2)
        self._vocabulary = Vocabulary(characters, words, length)
        self._count, self._seed, self._image_width = count, seed, image_width
        paths = find_fonts(fonts)
        self._files = load_font_files(paths, self._vocabulary.characters)
        drawn = frozenset().union(*(file.characters for file in self._files))
        missing = [c for c in self._vocabulary.characters if c not in drawn]
        if missing:
            shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in missing[:5])
            raise ParameterValueError(
                f"No font can draw {len(missing)} of the characters: {shown}; pass fonts= files "
                "that have them, or leave them out of characters."
            )
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        arguments = [_VERSION, count, seed, image_width, length, digests]
        arguments += [self._vocabulary.characters, self._vocabulary.own_words]
        self.fingerprint = hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]
        self._widths: IntArray | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Sequence[int]:
        """[n] image_id of each sample: its number."""
        return range(self._count)

    @property
    def widths(self) -> IntArray:
        """[n] width of each crop in pixels.

        The first use lays out all samples, without drawing, which takes about 0.1 ms for each.
        """
        with self._lock:
            if self._widths is None:
                widths = (self._layout(index).width for index in range(self._count))
                self._widths = np.fromiter(widths, np.int64, self._count)
                self._widths.setflags(write=False)
            return self._widths

    def word(self, index: int) -> str:
        """The text of a sample.

        Raises:
            IndexError: there is no such sample.
        """
        return self._layout(index).text

    def crop(self, index: int) -> ImageArray:
        """The picture of a sample, uint8 RGB [48, widths[index], 3].

        Raises:
            IndexError: there is no such sample.
        """
        layout = self._layout(index)
        return paint_crop(random_stream(self._seed, index, Stream.PAINT), layout)

    def _layout(self, index: int) -> Layout:
        if not 0 <= index < self._count:
            raise IndexError(f"Expected an index in 0..{self._count - 1}, got {index}.")
        index = int(index)
        text = self._vocabulary.word(self._seed, index)
        random = random_stream(self._seed, index, Stream.LAYOUT)
        face, text = choose_font(random, self._files, text)
        return make_layout(random, face, text, self._image_width)
