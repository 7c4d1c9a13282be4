"""Edit distance of two texts, and which character became which."""

from __future__ import annotations


def align_texts(truth: str, read: str) -> tuple[int, list[tuple[str, str]]]:
    """Aligns a text with its reading at the least number of edits (Levenshtein).

    Of several alignments with as few edits the one is taken that, from the end of the texts,
    prefers a pair of characters to a lost character, and that to an invented one, so the result
    depends on nothing else. Time and memory are len(truth) * len(read).

    Returns:
        The number of edits, and the pairs (truth character, read character) in reading order; ""
        stands for the missing side of a lost or invented character.
    """
    if truth == read:
        return 0, [(c, c) for c in truth]
    costs = _costs(truth, read)
    pairs: list[tuple[str, str]] = []
    i, j = len(truth), len(read)
    while i or j:
        here = costs[i][j]
        if i and j and here == costs[i - 1][j - 1] + (truth[i - 1] != read[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((truth[i], read[j]))
        elif i and here == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((truth[i], ""))
        else:
            j -= 1
            pairs.append(("", read[j]))
    return costs[-1][-1], pairs[::-1]


def _costs(truth: str, read: str) -> list[list[int]]:
    """Edits between every two beginnings of the texts: [len(truth) + 1][len(read) + 1]."""
    # Plain lists: words are short, and for those an array costs more than it saves.
    rows = [list(range(len(read) + 1))]
    for i, character in enumerate(truth, 1):
        above, row = rows[-1], [i]
        for j, other in enumerate(read, 1):
            row.append(min(above[j - 1] + (character != other), above[j] + 1, row[-1] + 1))
        rows.append(row)
    return rows
