"""The kinds of text blocks and of pages, as tables of ranges."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

Range = tuple[float, float]

FACE_USES = ("page", "second of page", "any", "handwriting")
"""Where a block takes its face from."""


@dataclass(frozen=True)
class BlockKind:
    """Ranges (low, high) from which a block's parameters are drawn, uniformly; lengths in em.

    Attributes:
        em: Size, as a multiple of the page's.
        leading: From baseline to baseline.
        stretch: Width of the letters, as a multiple of the face's.
        tracking: Added between letters.
        space: Between words.
        tab: Distance of the tab stops.
        goes_to_tab: Probability that the word after a word starts at the next tab stop.
        ends_line: Probability that the line ends after a word.
        numbers: Share of the words that are numbers and codes.
        capitals: Share of the words in capitals.
        initials: Share of the words with an initial capital.
        words: Most words of the block.
        align: 0 is left, 0.5 centred, 1 right; rounded to these.
        entry_rules: Lines under what is filled in; drawn if above 0.5, as the next three.
        row_rules: Lines under all lines of text.
        column_rules: Lines between the tab stops.
        frame: A box around the block.
        face: Index into `FACE_USES`; cut to an integer.
    """

    em: Range = (0.9, 1.1)
    leading: Range = (1.15, 1.8)
    stretch: Range = (0.9, 1.1)
    tracking: Range = (-0.01, 0.03)
    space: Range = (0.25, 0.45)
    tab: Range = (8, 16)
    goes_to_tab: Range = (0, 0)
    ends_line: Range = (0, 0.06)
    numbers: Range = (0, 0.12)
    capitals: Range = (-0.5, 0.3)
    initials: Range = (0.05, 0.25)
    words: Range = (12, 60)
    align: Range = (0, 0.2)
    entry_rules: Range = (0, 0.4)
    row_rules: Range = (0, 0.52)
    column_rules: Range = (0, 0.4)
    frame: Range = (0, 0.55)
    face: Range = (0, 1)


BLOCK_KINDS: dict[str, BlockKind] = {
    "paragraph": BlockKind(),
    "heading": BlockKind(
        em=(1.1, 2.2), tracking=(0, 0.12), space=(0.28, 0.5), ends_line=(0.05, 0.3), words=(2, 8),
        capitals=(-0.2, 1.6), initials=(0.2, 1), align=(0, 0.9), entry_rules=(0, 0.65),
        stretch=(0.85, 1.25), face=(0, 3),
    ),
    "fields": BlockKind(
        em=(0.75, 1.1), leading=(1.3, 2.4), goes_to_tab=(0.2, 0.5), ends_line=(0.05, 0.25),
        numbers=(0.15, 0.6), words=(15, 60), capitals=(-0.3, 0.9), initials=(0.2, 0.7),
        entry_rules=(0, 1),
        row_rules=(0, 0.7), column_rules=(0, 0.6), frame=(0, 1), face=(0, 2), tab=(6, 14),
    ),
    "table": BlockKind(
        em=(0.75, 1.05), leading=(1.3, 2.4), tab=(5, 11), goes_to_tab=(0.6, 0.97),
        numbers=(0.4, 1), ends_line=(0, 0.02), initials=(0.1, 0.6), align=(0, 1.2),
        row_rules=(0.1, 1), column_rules=(0.1, 1), frame=(0.1, 1), entry_rules=(0, 0.1),
        face=(0, 2),
    ),
    "list": BlockKind(
        ends_line=(0.2, 0.5), numbers=(0.1, 0.5), capitals=(-0.3, 1), initials=(0.2, 0.8),
        align=(0, 0.9), face=(0, 2),
    ),
    "receipt": BlockKind(
        em=(0.85, 1.15), leading=(1.0, 1.5), tab=(7, 16), goes_to_tab=(0.15, 0.5),
        ends_line=(0.02, 0.15), numbers=(0.3, 0.75), capitals=(-0.2, 1.8), initials=(0.2, 0.8),
        stretch=(0.75, 1.25), align=(0, 1.1), row_rules=(0, 0.4), frame=(0, 0.5),
        entry_rules=(0, 0.2), face=(0, 1.1), space=(0.3, 0.7),
    ),
    "handwriting": BlockKind(
        em=(1.3, 2.0), leading=(0.9, 1.5), ends_line=(0.1, 0.4), numbers=(0.1, 0.6),
        words=(2, 12), initials=(0.1, 0.8), row_rules=(0, 0.8), face=(3, 3.5), align=(0, 0.2),
    ),
    "sign": BlockKind(
        em=(0.9, 2.6), leading=(1.05, 1.6), stretch=(0.75, 1.25), tracking=(-0.02, 0.15),
        space=(0.28, 0.6), ends_line=(0.2, 0.6), numbers=(0, 0.45), capitals=(-0.2, 1.7),
        initials=(0.1, 1), words=(1, 5), align=(0, 0.9), row_rules=(0, 0.1), frame=(0, 0.6),
        entry_rules=(0, 0.52), face=(2, 2.9),
    ),
    "label": BlockKind(
        em=(0.45, 0.9), leading=(1.1, 1.7), ends_line=(0.1, 0.4), numbers=(0.1, 0.6),
        capitals=(-0.2, 1.4), initials=(0.1, 1), words=(2, 16), align=(0, 0.9),
        row_rules=(0, 0.3), face=(2, 2.9),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class PageKind:
    """A kind of page.

    Attributes:
        share: Of all pages.
        is_scene: A photo of signs, and not a sheet of paper.
        em_px: Range of the text size; logarithmically uniform.
        side_margin: Range of the free space left and right, as a share of the width.
        two_columns: Probability that a row of blocks has two.
        empty: Probability that a block has no text.
        typewriter: Probability that the page's face has a fixed width.
        blocks: Probability of each kind of block, by name; the rest are 0.
    """

    share: float
    is_scene: bool
    em_px: Range
    side_margin: Range
    two_columns: float
    empty: float
    typewriter: float
    blocks: dict[str, float]


PAGE_KINDS: dict[str, PageKind] = {
    "report": PageKind(
        0.2, False, (11, 24), (0, 0.1), 0.25, 0.1, 0.4,
        {"paragraph": 0.55, "heading": 0.2, "list": 0.1, "fields": 0.1, "handwriting": 0.05},
    ),
    "form": PageKind(
        0.26, False, (11, 19), (0, 0.06), 0.5, 0.08, 0.35,
        {"fields": 0.4, "table": 0.22, "heading": 0.1, "paragraph": 0.12, "list": 0.06,
         "handwriting": 0.1},
    ),
    "receipt": PageKind(
        0.14, False, (13, 30), (0, 0.22), 0.05, 0.05, 0.7,
        {"receipt": 0.7, "heading": 0.15, "list": 0.15},
    ),
    "signs": PageKind(
        0.27, True, (12, 50), (0, 0.1), 0.6, 0.3, 0.0, {"sign": 0.75, "label": 0.25},
    ),
    "poster": PageKind(
        0.13, True, (12, 36), (0, 0.2), 0.35, 0.2, 0.0,
        {"sign": 0.35, "label": 0.5, "paragraph": 0.1, "list": 0.05},
    ),
}  # fmt: skip

PARAMETERS = tuple(f.name for f in fields(BlockKind))


def block_ranges() -> np.ndarray:
    """Low and high of all parameters: float32 [block kinds, parameters, 2]."""
    kinds = BLOCK_KINDS.values()
    return np.array([[getattr(k, name) for name in PARAMETERS] for k in kinds], np.float32)


def block_odds() -> np.ndarray:
    """Cumulative probability of each kind of block: float32 [page kinds, block kinds]."""
    odds = [[kind.blocks.get(name, 0.0) for name in BLOCK_KINDS] for kind in PAGE_KINDS.values()]
    return np.cumsum(odds, axis=1).astype(np.float32)
