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

DATASET, REHEARSAL = "dataset", "rehearsal"
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
        teacher_width: Narrowest canvas and
        teacher_margin: least ground beside a canvas that this network, the teacher, sees, in
            columns: more than the trained one, which so learns to do without.
    """

    augmentation: AugmentOptions = AugmentOptions()
    precision: str = "float32"
    update_batch_statistics: bool = False
    batchnorm_momentum: float = 0.9
    rehearsal_weight: float = 1.0
    distillation_weight: float = 0.0
    teacher_width: int = 0
    teacher_margin: int = 0


def make_recognition_losses(
    spec: RecognizerSpec, preprocess: Preprocess, options: RecognitionOptions
) -> dict[str, LossFunction]:
    """The losses of a recognizer on batches of crops, `DATASET` and `REHEARSAL`.

    A batch has `image` uint8 [n, 48, w, 3], `width` [n], `label` [n, l], `label_length` [n],
    `mask` [n] and `row` [n], the number of each row in the batch of all devices, which makes its
    random changes its own. The rehearsal's crops are not augmented, since they were made varied.
    """
    dtype = jnp.dtype(options.precision)
    train = options.update_batch_statistics
    axis = AXIS if train else None
    network: Any = Recognizer(spec, dtype, axis, options.batchnorm_momentum)
    quiet: Any = Recognizer(spec, dtype)

    def prepare(images: jax.Array, widths: jax.Array) -> jax.Array:
        inside = jnp.arange(images.shape[2]) < widths[:, None]
        return jnp.where(inside[:, None, :, None], normalize(images, preprocess), 0.0)

    def with_margin(x: jax.Array) -> jax.Array:
        width = x.shape[2]
        more = max(options.teacher_margin, options.teacher_width - width)
        return jnp.pad(x, ((0, 0), (0, 0), (0, more), (0, 0)))

    def read(trained: Tree, kept: Tree, stats: Tree, x: jax.Array, mask: jax.Array) -> Any:
        """Logits, new statistics, and the teacher where there is one."""
        params = join_parameters(trained, kept)
        teacher = params.pop(TEACHER, None)
        variables: dict[str, Any] = {"params": params}
        if stats:
            variables["batch_stats"] = stats
        logits, changed = network.apply(
            variables, x, train=train, mask=mask, mutable=["batch_stats"]
        )
        return logits, changed.get("batch_stats", stats), teacher

    def dataset_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, batch["row"])
        images = augment(keys, batch["image"], batch["width"], options.augmentation)
        x = prepare(images, batch["width"])
        logits, stats, _ = read(trained, kept, stats, x, batch["mask"])
        values = ctc_loss(logits, batch["label"], batch["label_length"])
        return Losses(values, {"dataset_loss": values}, stats)

    def rehearsal_loss(
        trained: Tree, kept: Tree, stats: Tree, batch: dict[str, jax.Array], key: jax.Array
    ) -> Losses:
        x = prepare(batch["image"], batch["width"])
        logits, stats, teacher = read(trained, kept, stats, x, batch["mask"])
        values = ctc_loss(logits, batch["label"], batch["label_length"])
        total, parts = options.rehearsal_weight * values, {"rehearsal_loss": values}
        if teacher is not None:
            wanted = lax.stop_gradient(quiet.apply(teacher, with_margin(x)))
            distance = divergence(wanted[:, : logits.shape[1]], logits)
            parts["distillation_loss"] = distance
            total = total + options.distillation_weight * distance
        return Losses(total, parts, stats)

    return {DATASET: dataset_loss, REHEARSAL: rehearsal_loss}


def divergence(wanted: jax.Array, logits: jax.Array) -> jax.Array:
    """Kullback-Leibler divergence of frames [n, t, c] from wanted ones, summed over t: [n] nats."""
    known = nn.log_softmax(wanted.astype(jnp.float32))
    learned = nn.log_softmax(logits.astype(jnp.float32))
    return jnp.sum(jnp.exp(known) * (known - learned), axis=(1, 2))
