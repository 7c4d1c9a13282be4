"""A recognizer's head when its alphabet changes."""

from collections.abc import Sequence

import numpy as np

# Start of new classes: below the shared ones, so that an untrained class does not win at once.
NEW_BIAS_QUANTILE = 0.1


def change_head(
    head: dict[str, np.ndarray], known: Sequence[str], wanted: Sequence[str], seed: int = 0
) -> tuple[dict[str, np.ndarray], list[str]]:
    """A head for another alphabet: columns of shared characters kept, new ones started afresh.

    Args:
        head: "kernel" [f, 1 + len(known)], "bias" [1 + len(known)]; class 0 is the blank.
        known: The head's characters.
        wanted: The new head's characters.
        seed: Of the new columns' values.

    Returns:
        The new head, and the characters whose columns are new.
    """
    kernel, bias = np.asarray(head["kernel"]), np.asarray(head["bias"])
    index = {c: i + 1 for i, c in enumerate(known)}
    new = [c for c in wanted if c not in index]
    columns = np.array([0, *(index.get(c, 0) for c in wanted)], np.intp)
    fresh = np.array([False, *(c not in index for c in wanted)])
    kernel, old_bias = kernel[:, columns], bias
    bias = bias[columns]
    noise = np.random.default_rng(seed).standard_normal((kernel.shape[0], int(fresh.sum())))
    kernel[:, fresh] = 0.1 * head["kernel"].std() * noise
    bias[fresh] = np.quantile(old_bias[1:], NEW_BIAS_QUANTILE)
    return {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}, new
