"""A result as HTML, for notebooks: the image with its boxes, and a table of the words."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np

from deepocr_jax.geometry.boxes import boxes_to_quads

DOUBTFUL_BELOW = 0.8
MAX_ROWS = 200
MAX_WIDTH_PX = 900
_SURE, _DOUBTFUL = "#007a33", "#c62828"
_BOX_KEYS = ("row", "col", "phi", "length1", "length2")
_JPEG_QUALITY = 85


def result_html(result: Mapping[str, Any]) -> str:
    """What `apply_deep_ocr` gave, as a piece of HTML without scripts.

    Doubtful words, those of a confidence below 0.8, are red and come first in the table; a box
    tells its word and candidates to who points at it.
    """
    image = np.asarray(result["image"])
    if "word" in result:
        words = [_told(result["word"], result["confidence"], result["char_candidates"])]
        return f"<div>{_picture(image, '')}{_table(words, [0])}</div>"
    found = result["words"]
    boxes = np.column_stack([np.asarray(result["word_boxes_on_image"][k]) for k in _BOX_KEYS])
    if "word" not in found:
        outlines = "".join(_outline(quad, _SURE, "") for quad in boxes_to_quads(boxes))
        return f"<div>{_picture(image, outlines)}<p>{len(boxes)} regions</p></div>"
    parts = zip(found["word"], found["confidence"], found["char_candidates"], strict=True)
    words = [_told(*part) for part in parts]
    outlines = "".join(
        _outline(quad, _DOUBTFUL if word[1] < DOUBTFUL_BELOW else _SURE, " ".join(word[2:]))
        for quad, word in zip(boxes_to_quads(boxes), words, strict=True)
    )
    doubtful = [k for k, word in enumerate(words) if word[1] < DOUBTFUL_BELOW]
    order = sorted(doubtful, key=lambda k: words[k][1])
    order += [k for k in range(len(words)) if k not in set(doubtful)]
    summary = f"<p>{len(words)} words, {len(doubtful)} doubtful</p>"
    return f"<div>{_picture(image, outlines)}{summary}{_table(words, order)}</div>"


_Told = tuple[str, float, str, str]


def _told(word: str, confidence: float, candidates: Sequence[Mapping[str, Any]]) -> _Told:
    """Word, confidence, and both as text: the confidence in percent, the characters' rivals."""
    rivals = []
    for character in candidates:
        pairs = zip(character["candidate"], character["confidence"], strict=True)
        shown = [f"{c} {100 * p:.0f}" for c, p in pairs if p >= 0.005]
        if len(shown) > 1:
            rivals.append(" / ".join(shown))
    return word, float(confidence), f"{100 * confidence:.0f} %", "; ".join(rivals)


def _picture(image: np.ndarray, outlines: str) -> str:
    height, width = image.shape[:2]
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    source = base64.b64encode(data.tobytes()).decode("ascii")
    return (
        f'<svg viewBox="-0.5 -0.5 {width} {height}" style="max-width:{MAX_WIDTH_PX}px;width:100%">'
        f'<image href="data:image/jpeg;base64,{source}" x="-0.5" y="-0.5" width="{width}" '
        f'height="{height}"/>{outlines}</svg>'
    )


def _outline(quad: np.ndarray, color: str, title: str) -> str:
    points = " ".join(f"{col:.1f},{row:.1f}" for row, col in quad)
    return (
        f'<polygon points="{points}" fill="transparent" stroke="{color}" stroke-width="1.5">'
        f"<title>{escape(title)}</title></polygon>"
    )


def _table(words: Sequence[_Told], order: Sequence[int]) -> str:
    rows = []
    for k in order[:MAX_ROWS]:
        word, confidence, percent, rivals = words[k]
        color = f' style="color:{_DOUBTFUL}"' if confidence < DOUBTFUL_BELOW else ""
        cells = (str(k), word or "(nothing)", percent, rivals)
        rows.append(f"<tr{color}>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
    left = len(order) - MAX_ROWS
    if left > 0:
        rows.append(f'<tr><td></td><td colspan="3">and {left} more</td></tr>')
    titles = "".join(f"<th>{t}</th>" for t in ("", "word", "confidence", "rival candidates, %"))
    body = f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<div style="max-height:24em;overflow:auto">{body}</div>'
