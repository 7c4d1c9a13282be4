"""Fonts for text that is not seen: glyphs of one width without ink, for any characters.

Each character of a document gets the next code of two bytes, and the fonts' ToUnicode map says
which character each code is (ISO 32000-1, 9.10.3). So nothing depends on what glyphs a font has.

Readers take the height of a text from its font. So there is a font for each height of a word above
and below its baseline, and the words of a line share their size and baseline as printed ones do.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deepocr_jax.errors import ParameterValueError

GLYPH_WIDTH = 0.5
"""In font sizes."""

HEIGHT_STEP = 0.05
"""Of the fonts' heights, in font sizes."""

UNITS_PER_EM = 1000
MAX_CODES = 0xFFFF
_CODES_PER_RANGE = 100
_NAME = "DeepOCRInvisible"
# Bits of Flags (ISO 32000-1, table 123): fixed pitch, symbolic.
_FLAGS = 0b101

_CMAP = """\
/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{ranges}endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


@dataclass
class InvisibleFonts:
    """What a document's text needs: codes are given as characters come, fonts as heights come.

    Attributes:
        codes: The code of each character.
        heights: The heights above and below the baseline of each font, in `UNITS_PER_EM`.
    """

    codes: dict[str, int] = field(default_factory=dict)
    heights: set[tuple[int, int]] = field(default_factory=set)

    def encode(self, text: str) -> str:
        """The text's codes as hexadecimal digits, four a character.

        Raises:
            ParameterValueError: More different characters than there are codes.
        """
        numbers = [self.codes.setdefault(c, len(self.codes) + 1) for c in text]
        if len(self.codes) > MAX_CODES:
            raise ParameterValueError(
                f"expected at most {MAX_CODES} different characters in one PDF file; "
                "write the pages into several files"
            )
        return "".join(f"{number:04X}" for number in numbers)

    def font(self, above: float, below: float) -> str:
        """The name of the font for heights above and below the baseline, in font sizes."""
        ascent = round(max(above, HEIGHT_STEP) / HEIGHT_STEP)
        descent = round(max(below, 0.0) / HEIGHT_STEP)
        unit = round(HEIGHT_STEP * UNITS_PER_EM)
        # Readers take a height of 0 for one that is missing.
        heights = (ascent * unit, descent * unit or 1)
        self.heights.add(heights)
        return _font_name(heights)


def make_fonts(pdf: Any, fonts: InvisibleFonts) -> dict[str, Any]:
    """The font dictionaries by their names, inside a `pikepdf.Pdf`."""
    # All codes, from 0, show the one glyph.
    glyphs = pdf.make_stream(b"\0\1" * (len(fonts.codes) + 1))
    to_unicode = pdf.make_stream(_to_unicode(fonts.codes).encode("ascii"))
    return {
        "/" + _font_name(heights): _make_font(pdf, heights, glyphs, to_unicode)
        for heights in sorted(fonts.heights)
    }


def _font_name(heights: tuple[int, int]) -> str:
    return "F{}_{}".format(*heights)


def _make_font(pdf: Any, heights: tuple[int, int], glyphs: Any, to_unicode: Any) -> Any:
    from pikepdf import Array, Dictionary, Name

    name = Name("/" + _NAME + "-" + _font_name(heights))
    ascent, descent = heights[0], -heights[1]
    width = round(GLYPH_WIDTH * UNITS_PER_EM)
    descriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=name,
        Flags=_FLAGS,
        FontBBox=[0, descent, width, ascent],
        ItalicAngle=0,
        Ascent=ascent,
        Descent=descent,
        CapHeight=ascent,
        StemV=80,
        FontFile2=pdf.make_stream(_font_file(ascent, descent, width)),
    )
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=name,
        CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
        CIDToGIDMap=glyphs,
        FontDescriptor=pdf.make_indirect(descriptor),
        DW=width,
    )
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.Type0,
        BaseFont=name,
        Encoding=Name("/Identity-H"),
        DescendantFonts=Array([pdf.make_indirect(descendant)]),
        ToUnicode=to_unicode,
    )
    return pdf.make_indirect(font)


def _to_unicode(codes: dict[str, int]) -> str:
    return _CMAP.format(ranges="".join(_ranges(list(codes.items()))))


def _ranges(items: list[tuple[str, int]]) -> Iterator[str]:
    for start in range(0, len(items), _CODES_PER_RANGE):
        part = items[start : start + _CODES_PER_RANGE]
        yield f"{len(part)} beginbfchar\n"
        yield from (f"<{code:04X}> <{c.encode('utf-16-be').hex().upper()}>\n" for c, code in part)
        yield "endbfchar\n"


def _font_file(ascent: int, descent: int, width: int) -> bytes:
    """A TrueType font with one glyph: a line of no width across its whole box.

    So the glyph has bounds, by which viewers mark the text, but nothing to fill.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, descent))
    pen.lineTo((width, ascent))
    pen.closePath()
    box = pen.glyph()
    names = [".notdef", "box"]
    builder = FontBuilder(UNITS_PER_EM, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({})
    builder.setupGlyf({name: box for name in names})
    builder.setupHorizontalMetrics({name: (width, 0) for name in names})
    builder.setupHorizontalHeader(ascent=ascent, descent=descent)
    builder.setupNameTable({"familyName": _NAME, "styleName": "Regular", "psName": _NAME})
    builder.setupOS2(sTypoAscender=ascent, sTypoDescender=descent)
    builder.setupPost(isFixedPitch=1)
    builder.updateHead(created=0, modified=0)
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()
