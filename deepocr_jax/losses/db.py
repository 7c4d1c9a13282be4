"""Losses of differentiable binarization (Liao et al., arXiv 1911.08947, sections 3.2 and 3.6).

L = Ls + alpha Lb + beta Lt: the probability map, the approximate binary map, the threshold map. The
paper takes balanced cross entropy for the first two; its authors' programs (DB, Apache-2.0) take
the dice loss for the second, as here, since the binary map is nearly so by itself.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from deepocr_jax.losses.score_maps import balanced_loss


@dataclass(frozen=True)
class DBLossOptions:
    """How pixels and maps count.

    Attributes:
        binary_weight: alpha, of the approximate binary map (section 3.6).
        threshold_weight: beta, of the threshold map.
        steepness: k of the binarization (section 3.2).
        negative_ratio: Background pixels that count in Ls, for each pixel of text: those with the
            largest losses.
        least_negatives: Background pixels that count at least, as a share of the map; so a page
            without text teaches something, too (ours).
        positive_score: Wanted probability from which a pixel counts as text.
    """

    binary_weight: float = 1.0
    threshold_weight: float = 10.0
    steepness: float = 50.0
    negative_ratio: float = 3.0
    least_negatives: float = 0.02
    positive_score: float = 0.5


class DBTargets(NamedTuple):
    """What a detector should give for n pages, and where; [n, h, w] each.

    Attributes:
        text: 1 in the shrunk regions, else 0.
        text_mask: 1 where that is known, 0 on text that is not to be learned.
        threshold: Wanted threshold in [0, 1].
        threshold_mask: 1 where there is one: around the regions' borders.
    """

    text: jax.Array
    text_mask: jax.Array
    threshold: jax.Array
    threshold_mask: jax.Array


class DBLosses(NamedTuple):
    """Losses of n images, [n] each, from 0 on."""

    probability: jax.Array
    binary: jax.Array
    threshold: jax.Array

    def total(self, options: DBLossOptions) -> jax.Array:
        """Their weighted sum, [n]."""
        weighted = options.binary_weight * self.binary + options.threshold_weight * self.threshold
        return self.probability + weighted


def db_losses(
    text_logits: jax.Array,
    threshold_logits: jax.Array,
    targets: DBTargets,
    options: DBLossOptions = DBLossOptions(),
) -> DBLosses:
    """The losses of both heads.

    Args:
        text_logits: [n, h, w] of the probability map.
        threshold_logits: [n, h, w] of the threshold map.
        targets: What they should be.
        options: How pixels and maps count.
    """
    text_logits = text_logits.astype(jnp.float32)
    probability = jax.nn.sigmoid(text_logits)
    threshold = jax.nn.sigmoid(threshold_logits.astype(jnp.float32))
    binary = binarize(probability, threshold, options.steepness)
    return DBLosses(
        balanced_loss(text_logits, targets.text, targets.text_mask, options),
        dice_loss(binary, targets.text, targets.text_mask),
        masked_distance(threshold, targets.threshold, targets.threshold_mask),
    )


def binarize(probability: jax.Array, threshold: jax.Array, steepness: float) -> jax.Array:
    """The approximate binary map: equation 2 of the paper, with the steepness k."""
    return jax.nn.sigmoid(steepness * (probability - threshold))


def dice_loss(values: jax.Array, wanted: jax.Array, mask: jax.Array) -> jax.Array:
    """1 less the overlap of two maps (Milletari et al., arXiv 1606.04797).

    Args:
        values: [n, h, w] in [0, 1].
        wanted: [n, h, w] in {0, 1}.
        mask: [n, h, w] 1 where pixels count.

    Returns:
        [n] in [0, 1]; 0 where nothing is wanted: then there is no overlap to be had.
    """
    shared = jnp.sum(mask * values * wanted, axis=(1, 2))
    text = jnp.sum(mask * wanted, axis=(1, 2))
    total = jnp.sum(mask * values, axis=(1, 2)) + text
    return jnp.where(text > 0, 1 - 2 * shared / jnp.maximum(total, 1e-6), 0.0)


def masked_distance(values: jax.Array, wanted: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean absolute difference over the pixels that count: [n, h, w] -> [n]; 0 where none does."""
    total = jnp.sum(mask * jnp.abs(values - wanted), axis=(1, 2))
    return total / jnp.maximum(jnp.sum(mask, axis=(1, 2)), 1.0)
