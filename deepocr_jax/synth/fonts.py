"""Free fonts: where they are found, and which characters each can draw."""

from __future__ import annotations

import importlib.metadata
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFont

from deepocr_jax.errors import ParameterValueError

FONT_PACKAGES: dict[str, str] = {
    "font-fredoka-one": "OFL-1.1",
    "fontpkg-alfa-slab-one": "OFL-1.1",
    "fontpkg-anton": "OFL-1.1",
    "fontpkg-archivo-narrow": "OFL-1.1",
    "fontpkg-arimo": "OFL-1.1",
    "fontpkg-arvo": "OFL-1.1",
    "fontpkg-bebas-neue": "OFL-1.1",
    "fontpkg-black-ops-one": "OFL-1.1",
    "fontpkg-caveat": "OFL-1.1",
    "fontpkg-ibm-plex-mono": "OFL-1.1",
    "fontpkg-inconsolata": "OFL-1.1",
    "fontpkg-indie-flower": "OFL-1.1",
    "fontpkg-kalam": "OFL-1.1",
    "fontpkg-lobster": "OFL-1.1",
    "fontpkg-lora": "OFL-1.1",
    "fontpkg-montserrat": "OFL-1.1",
    "fontpkg-oswald": "OFL-1.1",
    "fontpkg-playfair-display": "OFL-1.1",
    "fontpkg-press-start-2p": "OFL-1.1",
    "fontpkg-pt-serif": "OFL-1.1",
    "fontpkg-roboto": "OFL-1.1",
    "fontpkg-roboto-mono": "OFL-1.1",
    "fontpkg-roboto-slab": "Apache-2.0",
    "fontpkg-share-tech": "OFL-1.1",
    "fontpkg-source-code-pro": "OFL-1.1",
    "matplotlib": "DejaVu (Bitstream Vera licence)",
}
"""Packages of the registry that carry free fonts as plain files, and the licence of the fonts.

Handwriting whose small letters are capitals in another shape (Permanent Marker, Amatic) is left
out, as it would teach a wrong case.
"""

_MATPLOTLIB_FONTS = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif-Bold.ttf")
_SUFFIXES = (".ttf", ".otf", ".ttc")
_ABSENT = "\uffff"  # a noncharacter (Unicode 16, section 23.7), so every font draws .notdef for it
_PROBE_SIZE = 40


@dataclass(frozen=True)
class FontFace:
    """A font file in one weight.

    Attributes:
        path: the file.
        axes: values of the axes of a variable font, in the order of the file; None otherwise.
    """

    path: str
    axes: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the file and the axes: the same on every machine."""
        axes = "" if self.axes is None else ":" + ",".join(f"{a:g}" for a in self.axes)
        return Path(self.path).name + axes


def find_fonts(fonts: str | os.PathLike | Iterable[str | os.PathLike] | None = None) -> list[Path]:
    """Font files, sorted by name.

    Args:
        fonts: a font file or a folder (searched with the folders in it), or several of them; None
            takes the fonts of the packages in `FONT_PACKAGES` that are installed.

    Raises:
        ParameterValueError: a path is missing, or there is no font.
    """
    if fonts is None:
        found = [path for package in FONT_PACKAGES for path in _package_fonts(package)]
        where = "in the packages that carry fonts"
    else:
        paths = [fonts] if isinstance(fonts, str | os.PathLike) else list(fonts)
        found = [path for given in paths for path in _given_fonts(Path(given))]
        where = "in " + (", ".join(repr(os.fspath(p)) for p in paths) or "an empty list of paths")
    if not found:
        raise ParameterValueError(
            f"Expected fonts (.ttf, .otf or .ttc files), found none {where}; install some with "
            "pip install 'deepocr_jax[train]', or pass fonts= a folder with font files."
        )
    return sorted(set(found), key=lambda path: (path.name, str(path)))


def _given_fonts(path: Path) -> list[Path]:
    if path.is_dir():
        return [p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file()]
    if not path.is_file():
        raise ParameterValueError(
            f"Expected a font file or a folder of them, but there is no {str(path)!r}; check fonts."
        )
    return [path]


def _package_fonts(package: str) -> list[Path]:
    """Font files of an installed package, found without importing it."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    files = [f for f in files if f.suffix.lower() in _SUFFIXES]
    if package == "matplotlib":  # its other fonts are for formulas, with letters in other places
        files = [f for f in files if f.name in _MATPLOTLIB_FONTS]
    return [path for path in (Path(str(f.locate())) for f in files) if path.is_file()]


def font_faces(path: Path) -> list[FontFace]:
    """The faces of a font file: of a variable font light, regular, bold and black, where it has.

    Raises:
        ParameterValueError: Pillow cannot open the file.
    """
    try:
        font = ImageFont.truetype(os.fspath(path), _PROBE_SIZE)
    except OSError as error:
        raise ParameterValueError(
            f"Expected a font file, but Pillow cannot open {str(path)!r} ({error}); "
            "take it out of fonts."
        ) from error
    try:
        axes: list[Mapping[str, Any]] = [dict(a) for a in font.get_variation_axes()]
    except (OSError, NotImplementedError):  # not variable, or FreeType without variable fonts
        return [FontFace(os.fspath(path))]
    weight = [k for k, axis in enumerate(axes) if _axis_name(axis) == "weight"]
    values = [float(axis["default"]) for axis in axes]
    if not weight:
        return [FontFace(os.fspath(path), tuple(values))]
    faces = []
    for wanted in (300, 400, 600, 800):
        axis = axes[weight[0]]
        values[weight[0]] = float(min(max(wanted, axis["minimum"]), axis["maximum"]))
        faces.append(FontFace(os.fspath(path), tuple(values)))
    return list(dict.fromkeys(faces))


def _axis_name(axis: Mapping[str, Any]) -> str:
    name = axis.get("name") or b""
    return (name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)).lower()


_local = threading.local()


def open_font(face: FontFace, size: int) -> ImageFont.FreeTypeFont:
    """A face at a size in pixels per em, kept for the calling thread.

    A FreeType face has one place for the glyph it works on, hence one object for each thread.
    The basic layout is used with or without Raqm, so that crops are the same everywhere; it sets
    characters one by one from left to right.
    """
    if not hasattr(_local, "open"):
        _local.open = lru_cache(maxsize=256)(_open)
    return _local.open(face, size)


def _open(face: FontFace, size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(face.path, size, layout_engine=ImageFont.Layout.BASIC)
    if face.axes is not None:
        font.set_variation_by_axes(list(face.axes))
    return font


def drawable_characters(face: FontFace, characters: Sequence[str]) -> frozenset[str]:
    """Those of the characters that a face draws as themselves.

    Left out are characters that look like the sign for missing ones, that leave no ink (the space
    excepted), and small letters drawn just as their capitals, as fonts of capitals do: those would
    teach a wrong case.
    """
    font = open_font(face, _PROBE_SIZE)
    missing = _picture(font, _ABSENT)
    drawn = set()
    for character in characters:
        picture = _picture(font, character)
        upper = character.upper()
        if character == " " or (picture not in (missing, None)):
            if upper != character and len(upper) == 1 and picture == _picture(font, upper):
                continue
            drawn.add(character)
    return frozenset(drawn)


def _picture(font: ImageFont.FreeTypeFont, character: str) -> tuple[Any, bytes] | None:
    """What a font draws: size and pixels, None where there is no ink."""
    mask = font.getmask(character, mode="L")
    pixels = np.asarray(mask, np.uint8)
    return (mask.size, pixels.tobytes()) if pixels.any() else None
