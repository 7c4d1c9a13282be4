"""The recognition's part in training: crops and words -> losses."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from deepocr_jax.augment.images import augment
from deepocr_jax.augment.options import AugmentOptions
from deepocr_jax.losses.ctc import ctc_loss
from deepocr_jax.models.recognizer import Recognizer, RecognizerSpec
from deepocr_jax.preprocess import Preprocess, normalize
from deepocr_jax.train.parameters import Tree, join_parameters
from deepocr_jax.train.step import AXIS, Losses, LossFunction

DATASET, REHEARSAL = 0, 1


@dataclass(frozen=True)
class RecognitionOptions:
    """How a recognizer is trained.

    Attributes:
        augmentation: Random changes of the dataset's crops.
        precision: Compute type, "float32" or "bfloat16".
        update_batch_statistics: Whether batch normalisation uses and updates the batches'
            statistics; where not, it keeps those that it has, which suits small datasets.
        rehearsal_weight: Weight of the rehearsal's rows in the loss.
    """

    augmentation: AugmentOptions = AugmentOptions()
    precision: str = "float32"
    update_batch_statistics: bool = False
    rehearsal_weight: float = 1.0


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
    network = Recognizer(spec, dtype, axis_name=AXIS if train else None)

    def loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        images = _augmented(key, batch, options.augmentation)
        inside = jnp.arange(images.shape[2]) < batch["width"][:, None]
        x = jnp.where(inside[:, None, :, None], normalize(images, preprocess), 0.0)
        variables: dict[str, Any] = {"params": join_parameters(trained, kept)}
        if stats:
            variables["batch_stats"] = stats
        logits, changed = network.apply(
            variables, x, train=train, mask=batch["mask"], mutable=["batch_stats"]
        )
        values = ctc_loss(logits, batch["label"], batch["label_length"])
        rehearsed = batch["source"] == REHEARSAL
        weights = jnp.where(rehearsed, options.rehearsal_weight, 1.0)
        parts = {
            "dataset_loss": jnp.where(rehearsed, 0.0, values),
            "rehearsal_loss": jnp.where(rehearsed, values, 0.0),
        }
        return Losses(weights * values, parts, changed.get("batch_stats", stats))

    return loss


def _augmented(key: jax.Array, batch: dict[str, jax.Array], options: AugmentOptions) -> jax.Array:
    """The dataset's crops changed; the rehearsal's as they are, since they were made varied."""
    images = batch["image"].astype(jnp.float32)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch["row"])
    changed = augment(keys, images, batch["width"], options)
    keeps = batch["source"] == REHEARSAL
    return jnp.where(keeps[:, None, None, None], images, changed)
