"""The recognition's part in training: crops and words -> losses."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from deepocr_jax.augment.images import augment
from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.losses.ctc import ctc_loss
from deepocr_jax.models.recognizer import Recognizer, RecognizerSpec
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.step import AXIS, Losses, LossFunction

DATASET, REHEARSAL = 0, 1
TEACHER = "teacher"


@dataclass(frozen=True)
class RecognitionOptions:
    """How a recognizer is trained.

    Attributes:
        augmentation: Random changes of the dataset's crops.
        precision: Compute type, "float32" or "bfloat16".
        update_batch_statistics: Whether batch normalisation uses and updates the batches'
            statistics; where not, it keeps those that it has, which suits small datasets.
        batchnorm_momentum: Share of the running statistics that a batch leaves as it was.
        rehearsal_weight: Weight of the losses of the rehearsal's words.
        distillation_weight: Weight of the divergence of the rehearsal's frames from what the
            network gave them before it was trained ("learning without forgetting", Li and Hoiem,
            arXiv 1606.09282). Needs the subtree `TEACHER` in the parameters: the variables as
            they were.
        rehearsal_rows: Rows of rehearsal in what one device computes at once, at most.
    """

    augmentation: AugmentOptions = AugmentOptions()
    precision: str = "float32"
    update_batch_statistics: bool = False
    batchnorm_momentum: float = 0.9
    rehearsal_weight: float = 1.0
    distillation_weight: float = 0.0
    rehearsal_rows: int = 0


def make_recognition_loss(
    spec: RecognizerSpec, preprocess: Preprocess, options: RecognitionOptions
) -> LossFunction:
    """The loss of a recognizer on batches of crops.

    A batch has `image` uint8 [n, 48, w, 3], `width` [n], `label` [n, l], `label_length` [n],
    `mask` [n], `source` [n] (0 the dataset, 1 the rehearsal) and `row` [n], the number of each row
    in the batch of all devices, which makes its random changes its own.
    """
    dtype = jnp.dtype(options.precision)
    train = options.update_batch_statistics
    axis = AXIS if train else None
    network: Any = Recognizer(spec, dtype, axis, options.batchnorm_momentum)
    quiet: Any = Recognizer(spec, dtype)

    def loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        images = _augmented(key, batch, options.augmentation)
        inside = jnp.arange(images.shape[2]) < batch["width"][:, None]
        x = jnp.where(inside[:, None, :, None], normalize(images, preprocess), 0.0)
        params = join_parameters(trained, kept)
        teacher = params.pop(TEACHER, None)
        variables: dict[str, Any] = {"params": params}
        if stats:
            variables["batch_stats"] = stats
        logits, changed = network.apply(
            variables, x, train=train, mask=batch["mask"], mutable=["batch_stats"]
        )
        values = ctc_loss(logits, batch["label"], batch["label_length"])
        rehearsed = batch["source"] == REHEARSAL
        parts = {
            "dataset_loss": jnp.where(rehearsed, 0.0, values),
            "rehearsal_loss": jnp.where(rehearsed, values, 0.0),
        }
        total = jnp.where(rehearsed, options.rehearsal_weight, 1.0) * values
        if teacher is not None:
            distance = distil(teacher, x, logits, rehearsed)
            parts["distillation_loss"] = distance
            total = total + options.distillation_weight * distance
        return Losses(total, parts, changed.get("batch_stats", stats))

    def distil(
        teacher: Tree, x: jax.Array, logits: jax.Array, rehearsed: jax.Array
    ) -> jax.Array:
        """Divergence from the teacher, summed over the frames, in nats: [n]."""
        # Only the rehearsal's rows go through the teacher; they are as many in every batch.
        rows = jnp.argsort(~rehearsed, stable=True)[: options.rehearsal_rows]
        known = nn.log_softmax(lax.stop_gradient(quiet.apply(teacher, x[rows])))
        learned = nn.log_softmax(logits[rows].astype(jnp.float32))
        divergence = jnp.sum(jnp.exp(known) * (known - learned), axis=(1, 2))
        return jnp.zeros(len(x)).at[rows].set(jnp.where(rehearsed[rows], divergence, 0.0))

    return loss


def _augmented(key: jax.Array, batch: dict[str, jax.Array], options: AugmentOptions) -> jax.Array:
    """The dataset's crops changed; the rehearsal's as they are, since they were made varied."""
    images = batch["image"].astype(jnp.float32)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch["row"])
    changed = augment(keys, images, batch["width"], options)
    keeps = batch["source"] == REHEARSAL
    return jnp.where(keeps[:, None, None, None], images, changed)
