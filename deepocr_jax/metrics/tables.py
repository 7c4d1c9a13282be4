"""Computed metrics as plain text that is Markdown, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Columns of `compare`: key of the result, heading, and whether the value is shown in percent.
_COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("images", "images", False),
    ("count", "words", False),
    ("accuracy", "exact", True),
    ("accuracy_caseless", "caseless", True),
    ("accuracy_36", "36 characters", True),
    ("character_error_rate", "character errors", True),
    ("iou_threshold", "IoU", False),
    ("precision", "precision", True),
    ("recall", "recall", True),
    ("f_score", "F score", True),
    ("end_to_end", "found and read", True),
    ("end_to_end_caseless", "caseless", True),
)
_SIGNS = {"": "(none)", " ": "(space)", "|": "\\|", "`": "\\`"}


def compare(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """One table of several results, such as pretrained against retrained on several domains.

    Args:
        rows: name of the row -> what `RecognitionMetrics.compute` or `DetectionMetrics.compute`
            gave. Of a detection each threshold is a row, and of its end-to-end scores the F score
            is shown.

    Returns:
        A Markdown table; shares are in percent, a dash stands for a value that does not exist,
        and columns without any value are left out.
    """
    flat = [(name, row) for name, result in rows.items() for row in _flat_rows(result)]
    columns = [c for c in _COLUMNS if any(row.get(c[0]) is not None for _, row in flat)]
    table = [["", *(heading for _, heading, _ in columns)]]
    for name, row in flat:
        cells = [_cell(row.get(key), percent) for key, _, percent in columns]
        table.append([_escaped(name), *cells])
    return _markdown(table)


def format_confusions(result: Mapping[str, Any], limit: int = 10) -> str:
    """The most frequent confusions of a recognition result as a Markdown table."""
    rows = [["truth", "read as", "times"]]
    for truth, read, count in result["confusions"][:limit]:
        rows.append([_sign(truth), _sign(read), str(count)])
    return _markdown(rows) if len(rows) > 1 else "No character was confused."


def format_characters(result: Mapping[str, Any], limit: int = 10) -> str:
    """The characters read worst (of equal accuracy the more frequent first), as a table."""
    rows = [["character", "accuracy", "correct", "of"]]
    wrong = [(c, v) for c, v in result["characters"].items() if v["correct"] < v["count"]]
    wrong.sort(key=lambda item: (item[1]["accuracy"], -item[1]["count"], item[0]))
    for character, value in wrong[:limit]:
        accuracy = _cell(value["accuracy"], True)
        rows.append([_sign(character), accuracy, str(value["correct"]), str(value["count"])])
    return _markdown(rows) if len(rows) > 1 else "Every character was read right."


def format_worst(
    result: Mapping[str, Any], limit: int = 10, files: Mapping[int, str] | None = None
) -> str:
    """The samples read worst as a table.

    Args:
        result: what `RecognitionMetrics.compute` gave.
        limit: most samples to list.
        files: image_id -> name of the image file, shown where given.
    """
    rows = [["image_id", "truth", "read", "edits", "confidence", *(["file"] if files else [])]]
    for bad in result["worst"][:limit]:
        row = [str(bad["image_id"]), _escaped(bad["truth"]), _escaped(bad["read"])]
        row += [str(bad["edits"]), f"{bad['confidence']:.2f}"]
        rows.append([*row, *([_escaped(files.get(bad["image_id"], "-"))] if files else [])])
    return _markdown(rows) if len(rows) > 1 else "Every word was read right."


def _flat_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of one result, with scores of scores replaced by their F score."""
    rows = [{**result, **scores} for scores in result.get("thresholds", [{}])]
    for row in rows:
        for key, value in row.items():
            if isinstance(value, Mapping):
                row[key] = value.get("f_score")
    return rows


def _cell(value: float | int | None, percent: bool) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.2f} %" if percent else f"{value:g}"


def _sign(character: str) -> str:
    """A character that can be seen in a table."""
    if character in _SIGNS:
        return _SIGNS[character]
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _escaped(text: str) -> str:
    """A text that breaks no table."""
    shown = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text)
    return shown.replace("|", "\\|") or "(empty)"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the heading first; the first column is set left, the others right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("| " + " | ".join(cells) + " |")
    rule = "|".join([":" + "-" * (widths[0] + 1), *("-" * (w + 1) + ":" for w in widths[1:])])
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])
