"""Connectionist temporal classification (Graves et al., ICML 2006), for heads with many classes."""

import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.text.ctc import BLANK

# Log of zero: small enough never to matter, large enough that differences of two stay finite.
LOG_ZERO = -1e5


def ctc_loss(
    logits: jax.Array,
    labels: jax.Array,
    label_lengths: jax.Array,
    frame_lengths: jax.Array | None = None,
) -> jax.Array:
    """Negative log likelihood of each label sequence.

    Only the logits of the classes that a label names are looked at, beside the normalisation over
    all of them; so the recursion costs the same for ten classes and for twenty thousand.

    Args:
        logits: [n, t, c], unnormalised; class 0 is the blank.
        labels: [n, l] classes from 1 on; what lies beyond a label's length is ignored.
        label_lengths: [n] characters of each label, 0 to l.
        frame_lengths: [n] frames that count; None: all t.

    Returns:
        [n] losses in nats, float32. A label that does not fit into its frames gives a loss of
        about 1e5 (`-LOG_ZERO`), with gradients of the size of any other.
    """
    n, t, _ = logits.shape
    if labels.shape[1] == 0:  # The recursion looks one character back.
        labels = jnp.full((n, 1), BLANK, labels.dtype)
    logits = logits.astype(jnp.float32)
    normaliser = jax.nn.logsumexp(logits, axis=-1)
    states = _extended(labels)
    classes = jnp.broadcast_to(states[:, None], (n, t, states.shape[1]))
    emit = jnp.take_along_axis(logits, classes, axis=2) - normaliser[..., None]
    frames = jnp.full((n,), t) if frame_lengths is None else frame_lengths
    return _forward(emit, states, label_lengths, frames)


def _extended(labels: jax.Array) -> jax.Array:
    """[n, l] -> [n, 2 l + 1]: blanks before, between and after the characters."""
    n, length = labels.shape
    pairs = jnp.stack([labels, jnp.full_like(labels, BLANK)], axis=2).reshape(n, 2 * length)
    return jnp.concatenate([jnp.full((n, 1), BLANK, labels.dtype), pairs], axis=1)


def _forward(
    emit: jax.Array, states: jax.Array, label_lengths: jax.Array, frame_lengths: jax.Array
) -> jax.Array:
    """The forward recursion in log space, equations 6 to 8 of the paper: [n] losses."""
    n, t, s = emit.shape
    # A state may be entered from two before it when it is a character unlike the one before.
    before = jnp.pad(states[:, :-2], ((0, 0), (2, 0)), constant_values=BLANK)
    skips = (states != BLANK) & (states != before)
    start = jnp.where(jnp.arange(s) < 2, emit[:, 0], LOG_ZERO)

    def shifted(alpha: jax.Array, by: int) -> jax.Array:
        return jnp.pad(alpha[:, :-by], ((0, 0), (by, 0)), constant_values=LOG_ZERO)

    def step(alpha: jax.Array, frame: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        emitted, number = frame
        two_back = jnp.where(skips, shifted(alpha, 2), LOG_ZERO)
        ways = jnp.stack([alpha, shifted(alpha, 1), two_back])
        following = jnp.maximum(jax.nn.logsumexp(ways, axis=0) + emitted, LOG_ZERO)
        return jnp.where((number < frame_lengths)[:, None], following, alpha), None

    alpha, _ = lax.scan(step, start, (emit[:, 1:].swapaxes(0, 1), jnp.arange(1, t)))
    last = 2 * label_lengths
    rows = jnp.arange(n)
    ends_blank = alpha[rows, last]
    ends_character = jnp.where(last > 0, alpha[rows, jnp.maximum(last - 1, 0)], LOG_ZERO)
    return -jnp.logaddexp(ends_blank, ends_character)
