"""Losses of score maps: two scores with hard negatives, and a direction."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import log_sigmoid
from jax.scipy.special import xlogy


@dataclass(frozen=True)
class ScoreMapLossOptions:
    """How pixels count.

    Attributes:
        link_weight: Of the link's loss beside the character's.
        direction_weight: Of the direction's loss beside the character's.
        positive_score: Wanted score from which a pixel counts as text.
        negative_ratio: Background pixels that count, for each pixel of text: those with the
            largest losses (Shrivastava et al., arXiv 1604.03540; three as in DB, arXiv
            1911.08947, section 3.6).
        least_negatives: Background pixels that count at least, as a share of the map.
        direction_score: Wanted score from which a pixel has a direction.
    """

    link_weight: float = 1.0
    direction_weight: float = 0.5
    positive_score: float = 0.1
    negative_ratio: float = 3.0
    least_negatives: float = 0.02
    direction_score: float = 0.3


class ScoreMapLosses(NamedTuple):
    """Losses of n images, [n] each, from 0 on."""

    character: jax.Array
    link: jax.Array
    direction: jax.Array

    def total(self, options: ScoreMapLossOptions) -> jax.Array:
        """Their weighted sum, [n]."""
        weighted = options.link_weight * self.link + options.direction_weight * self.direction
        return self.character + weighted


def score_map_losses(
    raw: jax.Array, wanted: jax.Array, weights: jax.Array, options: ScoreMapLossOptions
) -> ScoreMapLosses:
    """The losses of raw maps.

    Args:
        raw: [n, h, w, 4] logits of character and link, unscaled sin and cos.
        wanted: [n, h, w, 4] scores in [0, 1], sin and cos of length 1.
        weights: [n, h, w] how much a pixel counts; 0: not at all.
        options: How pixels count.
    """
    raw = raw.astype(jnp.float32)
    character, link = (balanced_loss(raw[..., i], wanted[..., i], weights, options) for i in (0, 1))
    score = wanted[..., :2].max(axis=-1)
    has_direction = jnp.where(score >= options.direction_score, score * weights, 0.0)
    direction = direction_loss(raw[..., 2:], wanted[..., 2:], has_direction)
    return ScoreMapLosses(character, link, direction)


def balanced_loss(
    logits: jax.Array, wanted: jax.Array, weights: jax.Array, options: ScoreMapLossOptions
) -> jax.Array:
    """Mean divergence of scores over the pixels of text and the hardest of the background.

    Args:
        logits: [n, h, w].
        wanted: [n, h, w] scores in [0, 1].
        weights: [n, h, w] how much a pixel counts.
        options: Balance of the two.

    Returns:
        [n] nats; 0 where every score is the wanted one.
    """
    n = len(logits)
    values = (weights * score_divergence(logits, wanted)).reshape(n, -1)
    counts = weights.reshape(n, -1) > 0
    is_text = counts & (wanted.reshape(n, -1) >= options.positive_score)
    is_background = counts & ~is_text
    texts = is_text.sum(axis=1)
    least = int(options.least_negatives * values.shape[1])
    most = jnp.maximum(options.negative_ratio * texts, least).astype(jnp.int32)
    chosen = is_text | hardest(values, is_background, most)
    return jnp.sum(jnp.where(chosen, values, 0.0), axis=1) / jnp.maximum(chosen.sum(axis=1), 1)


def hardest(values: jax.Array, candidates: jax.Array, counts: jax.Array) -> jax.Array:
    """Marks the largest values of each row.

    Args:
        values: [n, p] from 0 on.
        candidates: [n, p] bool, which may be chosen.
        counts: [n] how many are chosen, as far as there are so many. Of equal values that compete
            for the last place all are chosen.

    Returns:
        [n, p] bool.
    """
    known = lax.stop_gradient(jnp.where(candidates, values, -1.0))
    ranked = jnp.sort(known, axis=1, descending=True)
    last = jnp.clip(counts, 1, values.shape[1]) - 1
    least = jnp.take_along_axis(ranked, last[:, None], axis=1)
    return candidates & (known >= least) & (counts > 0)[:, None]


def score_divergence(logits: jax.Array, wanted: jax.Array) -> jax.Array:
    """Kullback-Leibler divergence of a score from the wanted one: cross entropy less entropy."""
    cross = -wanted * log_sigmoid(logits) - (1 - wanted) * log_sigmoid(-logits)
    return cross + xlogy(wanted, wanted) + xlogy(1 - wanted, 1 - wanted)


def direction_loss(vectors: jax.Array, wanted: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean of half the squared distance from the wanted directions.

    The length counts as well: of 1 - cos alone the gradient fades as vectors grow, and those that
    once grew long, while nearly all text was upright, learn no other direction any more.

    Args:
        vectors: [n, h, w, 2].
        wanted: [n, h, w, 2] of length 1.
        weights: [n, h, w] from 0 on.

    Returns:
        [n] from 0 on, where nothing has a direction 0; for vectors of length 1 it is 1 - cos of
        the angle between them.
    """
    away = 0.5 * jnp.sum((vectors - wanted) ** 2, axis=-1)
    total = jnp.sum(weights, axis=(1, 2))
    return jnp.sum(weights * away, axis=(1, 2)) / jnp.maximum(total, 1e-6)
