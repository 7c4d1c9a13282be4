"""The recognizer's head at inference: cut to an alphabet, and read without a full sort."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deepocr_jax.models.layers import product
from deepocr_jax.text.ctc import BLANK

LANES = 512
SMALL_LANES = 64
NEVER = -1e30
# Above the blank; with more, sums of exponentials would overflow. The published network gives 22.
MOST_LOGITS = 60.0


def sliced_head(
    head: dict[str, Any], columns: np.ndarray, merged: np.ndarray, space: int
) -> dict[str, Any]:
    """The head's columns [f, c] -> [f, c'], padded to whole lanes with classes that never win.

    `space` is the class of the space, or that of the blank where the alphabet has none.
    """
    lanes = LANES if len(columns) > LANES else SMALL_LANES
    extra = -len(columns) % lanes
    kernel = np.pad(np.asarray(head["kernel"])[:, columns], ((0, 0), (0, extra)))
    bias = np.array(head["bias"])[columns]
    never = (merged == BLANK) & (np.arange(len(columns)) != BLANK)
    bias[never] = NEVER
    bias = np.pad(bias, (0, extra), constant_values=NEVER)
    return {"kernel": kernel, "bias": bias, "space": np.int32(space)}


def logits(head: Any, features: jax.Array) -> jax.Array:
    """[m, f] frame features -> [m, c'] float32."""
    return product(features, head["kernel"], jnp.float32) + head["bias"]


def odds(values: jax.Array, blank: jax.Array) -> jax.Array:
    """Logits [m, c] -> how much more likely each class is than the blank, whose logits are [m, 1].

    Their shares of the sum are the softmax. Beside the blank and not the largest, since who knows
    the blank's logit beforehand need not go through all classes once more.
    """
    return jnp.exp(jnp.minimum(values - blank, MOST_LOGITS))


def _lanes(values: jax.Array) -> jax.Array:
    """[m, c] -> [m, c / lanes, lanes]: maxima over the middle axis vectorise, argmax does not."""
    m, c = values.shape
    lanes = min(c, LANES)
    return values.reshape(m, c // lanes, lanes)


def best_class(values: jax.Array) -> jax.Array:
    """Argmax over the last axis, [m, c] -> [m]; four times as fast on a CPU as the plain one."""
    blocks = _lanes(values)
    lane = jnp.argmax(blocks.max(axis=1), axis=-1)
    column = jnp.take_along_axis(blocks, lane[:, None, None], axis=2)[..., 0]
    return jnp.argmax(column, axis=-1) * blocks.shape[2] + lane


def best_character(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Best class but the blank, and its logit less the blank's: [m, c] -> [m] twice.

    Where the second is positive, the class is the best of all.
    """
    without_blank = jnp.where(jnp.arange(values.shape[1]) == BLANK, NEVER, values)
    best = best_class(without_blank)
    largest = jnp.take_along_axis(values, best[:, None], axis=1)[:, 0]
    return best, largest - values[:, BLANK]


def space_margin(values: jax.Array, best: jax.Array, space: jax.Array) -> jax.Array:
    """Logit of the space less the best one's, [m]; 0 where the space is best.

    `best` [m] is the best class but the blank.
    """
    largest = jnp.take_along_axis(values, best[:, None], axis=1)[:, 0]
    largest = jnp.maximum(largest, values[:, BLANK])
    return jnp.where(space == BLANK, NEVER, jnp.take(values, space, axis=1) - largest)


def best_classes(values: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """The `count` largest logits and their classes: [m, c] -> [m, count] twice.

    The `count` largest values lie in the `count` lanes with the largest maxima, so only those are
    sorted.
    """
    blocks = _lanes(values)
    m, depth, lanes = blocks.shape
    _, best_lanes = lax.top_k(blocks.max(axis=1), count)
    columns = jnp.take_along_axis(blocks, best_lanes[:, None, :], axis=2)
    largest, position = lax.top_k(columns.reshape(m, depth * count), count)
    lane = jnp.take_along_axis(best_lanes, position % count, axis=1)
    return largest, position // count * lanes + lane
