"""A font for text that is not seen: glyphs of one width without ink, for any characters.

Each character of a document gets the next code of two bytes, and the font's ToUnicode map says
which character each code is (ISO 32000-1, 9.10.3). So nothing depends on what a font has glyphs for.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deepocr_jax.errors import ParameterValueError

GLYPH_WIDTH, ASCENT, DESCENT = 500, 800, -200
"""In thousandths of the font size; ascent and descent together are the font size."""

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
class CharacterCodes:
    """The codes of a document's characters, which are given as characters come."""

    codes: dict[str, int] = field(default_factory=dict)

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


def make_font(pdf: Any, codes: CharacterCodes) -> Any:
    """The font dictionary for the codes given so far, inside a `pikepdf.Pdf`."""
    from pikepdf import Array, Dictionary, Name

    descriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=Name("/" + _NAME),
        Flags=_FLAGS,
        FontBBox=[0, DESCENT, GLYPH_WIDTH, ASCENT],
        ItalicAngle=0,
        Ascent=ASCENT,
        Descent=DESCENT,
        CapHeight=ASCENT,
        StemV=80,
        FontFile2=pdf.make_stream(_font_file()),
    )
    # All codes, from 0, show the one glyph.
    glyphs = b"\0\1" * (len(codes.codes) + 1)
    system = Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0)
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name("/" + _NAME),
        CIDSystemInfo=system,
        CIDToGIDMap=pdf.make_stream(glyphs),
        FontDescriptor=pdf.make_indirect(descriptor),
        DW=GLYPH_WIDTH,
    )
    return Dictionary(
        Type=Name.Font,
        Subtype=Name.Type0,
        BaseFont=Name("/" + _NAME),
        Encoding=Name("/Identity-H"),
        DescendantFonts=Array([pdf.make_indirect(descendant)]),
        ToUnicode=pdf.make_stream(_to_unicode(codes).encode("ascii")),
    )


def _to_unicode(codes: CharacterCodes) -> str:
    return _CMAP.format(ranges="".join(_ranges(list(codes.codes.items()))))


def _ranges(items: list[tuple[str, int]]) -> Iterator[str]:
    for start in range(0, len(items), _CODES_PER_RANGE):
        part = items[start : start + _CODES_PER_RANGE]
        yield f"{len(part)} beginbfchar\n"
        yield from (f"<{code:04X}> <{c.encode('utf-16-be').hex().upper()}>\n" for c, code in part)
        yield "endbfchar\n"


def _font_file() -> bytes:
    """A TrueType font with one glyph: a line of no width across its whole box.

    So the glyph has bounds, by which viewers mark the text, but nothing to fill.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, DESCENT))
    pen.lineTo((GLYPH_WIDTH, ASCENT))
    pen.closePath()
    box = pen.glyph()
    names = [".notdef", "box"]
    builder = FontBuilder(UNITS_PER_EM, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({})
    builder.setupGlyf({name: box for name in names})
    builder.setupHorizontalMetrics({name: (GLYPH_WIDTH, 0) for name in names})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupNameTable({"familyName": _NAME, "styleName": "Regular", "psName": _NAME})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=DESCENT)
    builder.setupPost(isFixedPitch=1)
    builder.updateHead(created=0, modified=0)
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()
